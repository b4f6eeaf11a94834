"""Calls that we place: the agent talks once somebody answers, and each ends with what became of it."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory, Sipp
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

    def answers(self, sipp: Sipp, scenario: str, **options: Any) -> asyncio.Task[None]:
        """SIPp as the callee. It is done when the scenario is."""
        return asyncio.create_task(sipp(scenario, self.setup, "-p", str(self.port), **options))

    def phone(self, **options: Any) -> Any:
        return human(self.setup, self.port, **options)


def dial(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)


def told(record: Record) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("outcome", "call_status", "sip_status", "end_reason"))


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


@pytest.mark.parametrize(
    ("scenario", "outcome", "status", "sip_status", "q850"),
    [
        ("uas-busy-486", "busy", "busy", 486, None),
        ("uas-declined-603", "rejected", "rejected", 603, None),
        ("uas-number-unknown-404", "invalid_number", "failed", 404, None),
        ("uas-subscriber-absent-480", "unreachable", "failed", 480, 20),
        ("uas-full-503", "failed", "failed", 503, None),
        ("uas-redirecting-302", "failed", "failed", 302, None),
    ],
)
async def test_who_refuses_is_told_apart(
    setup: SetupFactory,
    sipp: Sipp,
    scenario: str,
    outcome: str,
    status: str,
    sip_status: int,
    q850: int | None,
) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = callee.answers(sipp, scenario)
        dial(server)
        record = await server.next_record()
        await answers
    assert told(record) == (outcome, status, sip_status, "not_answered")
    assert (record["q850"], record["answered_at"], record["duration_s"]) == (q850, None, 0)
    assert record["cost"] is None


async def test_a_call_that_rings_for_too_long_is_cancelled(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running(ring_timeout_s=0.5) as server:
        answers = callee.answers(sipp, "uas-unanswered-487")
        dial(server)
        record = await server.next_record()
        await answers
    assert told(record) == ("no_answer", "no-answer", 487, "not_answered")
    assert record["detail"] == "nobody answered within 0.5 s"
    assert 0.2 < record["dial"]["ring_s"] < 5


async def test_a_call_that_is_hung_up_while_it_rings_is_cancelled(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = callee.answers(sipp, "uas-unanswered-487")
        dial(server)
        await server.wait_log("call_progressed")
        server.process.send_signal(signal.SIGUSR2)
        record = await server.next_record()
        await answers
    assert told(record) == ("cancelled", "canceled", 487, "api_hung_up")


async def test_a_server_that_is_to_stop_cancels_what_rings(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = callee.answers(sipp, "uas-unanswered-487")
        dial(server)
        await server.wait_log("call_progressed")
        await server.stop()
        await answers
        (record,) = server.calls()
    assert told(record) == ("cancelled", "canceled", 487, "draining")


async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended(
    setup: SetupFactory, sipp: Sipp
) -> None:
    callee = Callee(setup, None)
    async with callee.running(ring_timeout_s=0.5) as server:
        answers = callee.answers(sipp, "uas-answered-when-cancelled-bye")
        dial(server)
        record = await server.next_record()
        await answers
    assert told(record) == ("no_answer", "no-answer", 487, "not_answered")


async def test_of_forks_the_one_that_answers_counts(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = callee.answers(sipp, "uas-forked-answered-by-second")
        dial(server)
        await server.wait_log("call_answered")
        server.process.send_signal(signal.SIGUSR2)
        record = await server.next_record()
        await answers
    assert told(record) == ("answered", "completed", 200, "api_hung_up")
    assert record["dial"]["early_media"]


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
