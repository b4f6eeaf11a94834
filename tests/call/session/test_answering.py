"""A call that comes in and is answered: once its agent is ready, and by what both sides can."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from rtp.ports import PortPool
from sipagent.config import LoggingConfig, TrunkConfig
from sipagent.worker.control.supervisor import Supervisor
from sipagent.worker.orders import agent_config
from tests.call.exchange import Exchange, Talk, kind, outcome
from tests.call.fake_sip import PHONE, FakeSip, invite
from tests.call.fake_workers import RTP, FakeWorkers


async def test_the_caller_hangs_up(talk: Talk) -> None:
    await talk.talking()
    talk.sip.bye()
    record = await talk.over()
    assert outcome(record) == ("completed", "caller_hung_up", 200, None)
    assert talk.sip.done == ["ring", "answer"]
    assert list(map(kind, talk.exchange.seen)) == [
        "CallReceived",
        "CallRouted",
        "CallAdmitted",
        "LegReady",
        "CallAnswered",
        "LegEnded",
        "CallCharged",
        "CallEnded",
    ]
    assert (record["route"], record["codec"]) == ("pbx/100 -> echo", "PCMU")
    assert record["rtp"] == RTP


async def test_nothing_is_answered_before_the_leg_is_ready(talk: Talk) -> None:
    await talk.preparing()
    assert talk.sip.done == ["ring"]
    talk.sip.cancel()
    await talk.over()


async def test_the_leg_gets_the_sockets_the_agent_and_the_best_codec(
    talk: Talk, ports: PortPool, workers: FakeWorkers
) -> None:
    await talk.talking()
    assert workers.order is not None
    assert (workers.order.codec, agent_config(workers.order.agent).name) == ("PCMA", "echo")
    assert workers.order.recording is None
    assert [sock.getsockname()[1] % 2 for sock in workers.sockets] == [0, 1]
    assert talk.sip.local is not None
    assert talk.sip.local.address == "198.51.100.1"
    assert talk.sip.local.rtp_port == workers.sockets[0].getsockname()[1]
    assert (workers.started[0].remote_rtp, workers.started[0].codec) == (PHONE, "PCMU")
    assert ports.in_use == 1
    talk.sip.bye()
    await talk.over()


async def test_a_late_offer_expects_the_codec_that_the_trunk_prefers(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(offer=None)))
    await talk.talking()
    assert workers.order is not None
    assert workers.order.codec == "PCMA"
    talk.sip.bye()
    await talk.over()


async def test_the_trunk_has_the_last_word_on_recording(exchange: Exchange, workers: FakeWorkers) -> None:
    trunks = cast(dict[str, TrunkConfig], exchange.config.trunks)  # which is one, read-only for all others
    trunks["pbx"] = trunks["pbx"].model_copy(update={"record": True})
    talk = Talk(exchange, workers, FakeSip(invite()))
    await talk.talking()
    assert workers.order is not None
    assert workers.order.recording is not None
    assert Path(workers.order.recording).name == "c-1.wav"
    talk.sip.bye()
    await talk.over()


@pytest.mark.slow
async def test_a_call_through_a_real_worker(tmp_path: Path, ports: PortPool) -> None:
    supervisor = Supervisor(1, LoggingConfig(level="error"))
    await supervisor.start()
    exchange = Exchange(tmp_path, ports, supervisor)
    sip = FakeSip(invite())
    running = asyncio.create_task(exchange.call(sip).run())
    await sip.until("answer")
    sip.ack()
    sip.bye()
    async with asyncio.timeout(5):
        await running
    record = exchange.only_record()
    assert outcome(record) == ("completed", "caller_hung_up", 200, None)
    path = "caller: rtp -> ulaw>alaw -> backend | agent: backend -> playout -> alaw>ulaw -> rtp"
    assert record["path"] == path
    assert record["timings"]["backend_ready_ms"] is not None
    await supervisor.stop()
