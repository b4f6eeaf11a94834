"""Calls that we place: the agent talks once somebody answers, and each ends with what became of it."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.human import human
from tests.e2e.support.originating_server import that_calls
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import Record, Server, Setup, running

pytestmark = pytest.mark.e2e

NUMBER, GREETING, WORDS, RINGBACK, LENGTH_MS = "+15550100", 1, 2, 3, 800
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}


def speaks() -> RealtimeOptions:
    return RealtimeOptions(
        script=(Turn(reply=[Pattern(pattern_ms=LENGTH_MS, number=GREETING)]),), obedient=False
    )


class Callee:
    """Where the numbers of our trunk lead: a port of this machine."""

    def __init__(self, setup: SetupFactory, model_url: str | None, **trunk: Any) -> None:
        self.port = free_port("127.0.0.1")
        transfer = {"uri_template": f"sip:{{number}}@127.0.0.1:{self.port}"}
        self.setup: Setup = setup(model_url, agent=SPEAKS, trunk={"transfer": transfer} | trunk)

    def running(self, **origination: Any) -> Any:
        return running(self.setup, wrapper=that_calls(origination))

    def phone(self, **options: Any) -> Any:
        return human(self.setup, self.port, **options)


def dial(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)


def told(record: Record) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("direction", "outcome", "call_status", "sip_status", "end_reason"))


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
    assert told(record) == ("outbound", "answered", "completed", 200, "callee_hung_up")
    assert (record["from"], record["to"]) == ("+15550199", NUMBER)
    assert record["sip_call_id"] == invite["call-id"]
    asked = {"dial_id": "d-1", "attempt": 2, "tenant": "shop", "early_media": False}
    assert asked.items() <= record["dial"].items()
    assert 0 <= record["dial"]["dialled_s"] <= record["dial"]["progressed_s"]
    assert metrics['sipagent_calls_dialled_total{outcome="answered",trunk="carrier"}'] == 1
