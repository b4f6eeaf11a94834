"""Calls that we place and somebody answers: who hears what, and what stands between us and an answer."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support import audio
from tests.e2e.support.human import on_the_hook
from tests.e2e.support.name_server import address, name_server, srv
from tests.e2e.support.originated import GREETING, LENGTH_MS, NUMBER, Callee, dial, speaks, told
from tests.e2e.support.originating_server import that_calls
from tests.e2e.support.ports import free_port, free_ports
from tests.e2e.support.provider import DOMAIN, provider, trunk
from tests.e2e.support.secure_human import SecureHuman
from tests.e2e.support.server import records, running
from tests.e2e.support.setup import WORKERS
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

WORDS, RINGBACK = 2, 3


@pytest.mark.paced
async def test_callee_and_agent_hear_each_other_bit_for_bit(setup: SetupFactory) -> None:
    words = audio.signal(WORDS, LENGTH_MS, ULAW)
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url)
        origination = {"from_uri": "+15550199", "dial_id": "d-1", "attempt": 2, "tenant": "shop"}
        async with callee.running(**origination) as server, callee.phone(speech=words) as phone:
            dial(server)
            invite = await phone.rings()
            await phone.pick_up()
            await phone.hear_speech(LENGTH_MS)
            await server.wait_log("agent_speech_ended")
            await phone.hang_up()
            record = await server.next_record()
            metrics = await server.metrics()
        (session,) = model.sessions
    assert invite["from"].startswith("<sip:+15550199@127.0.0.1>")
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert words in bytes(session.log.caller_audio)
    assert told(record) == ("answered", "completed", 200, "callee_hung_up")
    assert record["direction"] == "outbound"
    assert (record["from"], record["to"]) == ("+15550199", NUMBER)
    assert record["sip_call_id"] == invite["call-id"]
    asked = {"dial_id": "d-1", "attempt": 2, "tenant": "shop", "early_media": False}
    assert asked.items() <= record["dial"].items()
    assert 0 <= record["dial"]["dialled_s"] <= record["dial"]["progressed_s"]
    assert metrics['sipagent_calls_dialled_total{outcome="answered",trunk="carrier"}'] == 1


@pytest.mark.paced
async def test_over_srtp_both_are_heard_and_the_caller_is_hidden(setup: SetupFactory) -> None:
    words = audio.signal(WORDS, LENGTH_MS, ULAW)
    asserts = {"caller_id": {"send_in": "p_asserted_identity"}}
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url, srtp="required", **asserts)
        phone = SecureHuman(callee.setup, port=callee.port, speech=words)
        async with callee.running(from_uri="+15550199", hide_caller=True) as server, on_the_hook(phone):
            dial(server)
            invite = await phone.rings()
            await phone.pick_up()
            await phone.hear_speech(LENGTH_MS)
            await server.wait_log("agent_speech_ended")
            await phone.hang_up()
            record = await server.next_record()
        (session,) = model.sessions
    assert invite["from"].startswith('"Anonymous" <sip:anonymous@anonymous.invalid>')
    assert invite["privacy"] == "id"
    assert invite["p-asserted-identity"].startswith("<sip:+15550199@")
    assert "15550199" not in invite["contact"]
    assert "m=audio" in invite.body
    assert "RTP/SAVP" in invite.body
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert phone.unreadable == 0
    assert words in bytes(session.log.caller_audio)
    assert not any(words[:160] in datagram for datagram in phone.sent)
    assert told(record) == ("answered", "completed", 200, "callee_hung_up")
    assert record["srtp"] in phone.suites


@pytest.mark.paced
async def test_what_is_played_before_the_answer_is_not_heard(setup: SetupFactory) -> None:
    ringback, words = audio.signal(RINGBACK, 2 * LENGTH_MS, ULAW), audio.signal(WORDS, LENGTH_MS, ULAW)
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url)
        async with callee.running() as server, callee.phone() as phone:
            dial(server)
            await phone.play_early(ringback)
            assert not phone.heard
            await phone.pick_up()
            await server.wait_log("media_started")
            await phone.say(words)
            await phone.hear_speech(LENGTH_MS)
            await phone.hang_up()
            record = await server.next_record()
        (session,) = model.sessions
    heard = bytes(session.log.caller_audio)
    assert words in heard
    assert ringback[:160] not in heard
    assert ringback[-160:] not in heard
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert record["dial"]["early_media"]
    assert record["audio"]["early_packets"] >= 2 * LENGTH_MS // 20 - 2
    left, _ = audio.recorded(record["recording"])
    assert not audio.holds(left, audio.samples(ringback[:160], "PCMU"))


async def test_a_call_asks_the_next_server_and_proves_who_it_is(
    setup: SetupFactory, sipp: Sipp, tmp_path: Path
) -> None:
    """The first of the provider's servers is full; the second wants digest, and hands on to the callee."""
    (full, free), port = free_ports(2), free_port("127.0.0.1")
    service = f"_sip._udp.{DOMAIN}"
    zone = [
        srv(service, f"one.{DOMAIN}", full, priority=10),
        srv(service, f"two.{DOMAIN}", free, priority=20),
        *(address(f"{name}.{DOMAIN}") for name in ("one", "two")),
    ]
    async with (
        name_server(zone) as names,
        provider(full, tmp_path, "FULL_CALLS"),
        provider(free, tmp_path, callee=port) as backup,
    ):
        configured = setup(None, trunk=trunk(f"sip:{DOMAIN}", tmp_path), sip={"nameservers": [names]})
        async with running(configured, wrapper=that_calls({"from_uri": "+15550199"})) as server:
            await server.wait_log("trunk_state", registered=True)
            answers = asyncio.create_task(sipp("uas-pcma-hung-up-by-agent", configured, "-p", str(port)))
            dial(server)
            await server.wait_log("call_answered")
            server.process.send_signal(signal.SIGUSR2)
            record = await server.next_record()
            await answers
            assert f"from=sip:+15550199@{DOMAIN}" in await backup.logged("INVITE:")
    assert told(record) == ("answered", "completed", 200, "api_hung_up")
    assert record["codec"] == "PCMA"


async def test_a_server_that_is_killed_while_it_rings_leaves_one_record(setup: SetupFactory) -> None:
    callee = Callee(setup, None)
    async with callee.running(dial_id="d-1") as server, callee.phone() as phone:
        dial(server)
        await phone.rings()
        await server.wait_log("call_progressed")
        await server.kill()
    async with running(callee.setup) as again:
        (record,) = records(callee.setup)
        assert again.lines("call_cut_off_by_crash")
    assert (record["direction"], record["end_reason"]) == ("outbound", "server_crashed")
    assert (record["outcome"], record["call_status"], record["answered_at"]) == ("failed", "failed", None)
    assert record["dial"]["dial_id"] == "d-1"
    assert record["dial"]["dialled_s"] is not None


async def test_what_a_limit_refuses_is_not_placed(setup: SetupFactory, sipp: Sipp) -> None:
    """Both are asked for in one breath: the first counts before anybody was called."""
    callee = Callee(setup, None, max_calls=1)
    async with running(callee.setup, wrapper=that_calls({}, {"to": "+15550101"})) as server:
        answers = await callee.answers(sipp, "uas-busy-486")
        dial(server)
        refused = await server.wait_log("originate_refused")
        record = await server.next_record()
        await answers
        assert len(server.lines("call_originated")) == 1
    assert refused["reason_code"] == "trunk_call_limit"
    assert told(record) == ("busy", "busy", 486, "not_answered")


async def test_without_a_model_nobody_is_called(setup: SetupFactory) -> None:
    callee = Callee(setup, "ws://127.0.0.1:9/")
    async with callee.running() as server, callee.phone() as phone:
        dial(server)
        record = await server.next_record()
        assert phone.invited is None
    assert told(record) == ("failed", "failed", 503, "refused")
    assert record["reason_code"] == "backend_unreachable"


async def test_a_call_goes_on_ringing_when_all_media_workers_die(setup: SetupFactory) -> None:
    """The first to be back gets the leg ready anew, with a session of its own."""
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url)
        async with (
            running(
                callee.setup,
                wrapper=that_calls({}),
                errors=["worker_died", "worker_hung"],
                spare_threads=WORKERS + 1,  # each waits for one that died
            ) as server,
            callee.phone() as phone,
        ):
            dial(server)
            await phone.rings()
            await server.wait_log("call_progressed")
            for deadly in (signal.SIGSTOP, signal.SIGKILL):  # at once: none gets the leg from another
                for worker in server.workers:
                    os.kill(worker, deadly)
            await eventually(lambda: len(model.sessions) == 2, "a second session")
            await phone.pick_up()
            await phone.hear_speech(LENGTH_MS)
            await phone.hang_up()
            record = await server.next_record()
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert told(record) == ("answered", "completed", 200, "callee_hung_up")
