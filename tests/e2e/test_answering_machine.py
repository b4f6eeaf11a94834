"""Calls that we place to people and to machines: who answers is heard, and what is to be done then is."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.answering.sounds import silence, spoken, tones
from sipagent.formats import ULAW
from sipagent.simulator.laws import encoded
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, callee
from tests.e2e.support.api import set_tokens
from tests.e2e.support.human import HumanPhone, human
from tests.e2e.support.originating_server import that_calls
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import THREADS, Record, running
from tests.e2e.support.setup import Setup

pytestmark = pytest.mark.e2e

GREETING, MESSAGE, LENGTH_MS = 1, 2, 800
MACHINE = "Hello, you have reached the voicemail of Peter Miller. Please leave a message after the tone."
BEEP_HZ, BEEP_MS = 1000, 400


def said(*waves: Any) -> bytes:
    """As a phone sends it: law bytes in whole frames."""
    wave = np.concatenate((*waves, silence(20)))
    wave = wave[: len(wave) // 160 * 160]
    return encoded((8000 * wave).astype("<i2").tobytes(), ULAW)


def a_person() -> bytes:
    return said(silence(300), spoken("Hello?", "en-us", 160, 50))


def a_machine() -> bytes:
    beep = tones((BEEP_HZ,), BEEP_MS)
    return said(silence(300), spoken(MACHINE, "en-gb+f2", 170, 50), silence(400), beep)


def speaks() -> RealtimeOptions:
    """A model that says its greeting, and nothing to what it hears."""
    return RealtimeOptions(
        script=(Turn(reply=[Pattern(pattern_ms=LENGTH_MS, number=GREETING)]),), obedient=False
    )


def agent(**answering_machine: Any) -> dict[str, Any]:
    """One that says Hello, and listens for machines in every call."""
    return {
        "greeting": "Hello",
        "turn_detection": {"kind": "server_vad", "threshold": 1.0},
        "answering_machine": {"detect": True} | answering_machine,
    }


class Callee:
    """A phone that a number of our trunk leads to, and a server that calls it with this agent."""

    def __init__(self, setup: SetupFactory, model_url: str, **answering_machine: Any) -> None:
        self.port = free_port("127.0.0.1")
        transfer = {"uri_template": f"sip:{{number}}@127.0.0.1:{self.port}"}
        trunk = {"transfer": transfer}
        self.setup: Setup = setup(model_url, agent=agent(**answering_machine), trunk=trunk)

    async def called(self, what_it_says: bytes, until: Any) -> tuple[HumanPhone, Record, dict[str, float]]:
        """The call, over when `until` is, and the metrics after it. Reading a file leaves a thread."""
        async with (
            running(self.setup, wrapper=that_calls({}), spare_threads=1) as server,
            human(self.setup, self.port, speech=what_it_says) as phone,
        ):
            server.process.send_signal(signal.SIGUSR1)
            await phone.pick_up()
            await until(phone)
            return phone, await server.next_record(), await server.metrics()


async def hears_the_agent_and_hangs_up(phone: HumanPhone) -> None:
    await phone.hear_speech(LENGTH_MS)
    await phone.hang_up()


async def is_hung_up_on(phone: HumanPhone) -> None:
    await phone.hung_up()


async def test_a_person_is_greeted_once_it_is_known_that_it_is_one(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        phoned = Callee(setup, model.url, greet="after_detection")
        phone, record, metrics = await phoned.called(a_person(), hears_the_agent_and_hangs_up)
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert (record["answered_by"]["kind"], record["answered_by"]["reason"]) == ("human", "short_greeting")
    heard_s = phone.frames_of_speech()[0].at - phone.talking_since
    assert heard_s * 1000 >= record["answered_by"]["after_ms"] - 100
    assert record["end_reason"] == "callee_hung_up"
    assert metrics['sipagent_answerers_total{kind="human",trunk="carrier"}'] == 1
    told = [str(event) for event in model.sessions[0].log.events("in", "conversation.item.create")]
    assert any("A person has answered" in each for each in told)


async def test_a_message_is_left_whole_and_after_the_beep(setup: SetupFactory, tmp_path: Path) -> None:
    message = audio.signal(MESSAGE, LENGTH_MS, ULAW)
    audio.write_wav(tmp_path / "message.wav", audio.samples(message, "PCMU"))
    to_leave = {"message": {"file": str(tmp_path / "message.wav")}, "greet": "after_detection"}
    words = a_machine()
    async with RealtimeServer(speaks()) as model:
        phoned = Callee(setup, model.url, then="leave_message", **to_leave)
        phone, record, _ = await phoned.called(words, is_hung_up_on)
    assert phone.speech_heard() == message
    first_heard_s = phone.frames_of_speech()[0].at - phone.talking_since
    assert first_heard_s >= len(words) / 8000
    assert record["answered_by"]["kind"] == "machine"
    assert record["beep"]["hz"] == pytest.approx(BEEP_HZ, rel=0.02)
    assert record["beep"]["duration_ms"] == pytest.approx(BEEP_MS, abs=60)
    assert (record["end_reason"], record["outcome"]) == ("message_left", "answered")


async def test_a_machine_is_hung_up_on_before_its_beep(setup: SetupFactory) -> None:
    words = a_machine()
    async with RealtimeServer(speaks()) as model:
        phoned = Callee(setup, model.url, greet="after_detection")
        phone, record, metrics = await phoned.called(words, is_hung_up_on)
    assert phone.frames_of_speech() == []
    assert record["end_reason"] == "machine_answered"
    assert record["answered_by"]["after_ms"] < len(words) / 8
    assert metrics['sipagent_answerers_total{kind="machine",trunk="carrier"}'] == 1


async def test_where_a_machine_answers_it_is_called_again(
    setup: SetupFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_tokens(monkeypatch)
    retry = {"attempts": 2, "waits_s": [0.5], "retry_on": ["machine"]}
    async with RealtimeServer(speaks()) as model:
        called = callee.Callee(setup, model.url, agent=agent(greet="after_detection", detect=False))
        async with running(called.setup, spare_threads=THREADS) as server:
            async with human(called.setup, called.port, speech=a_machine()) as phone:
                dial_id = await called.dial(retry=retry, detect_machine=True)
                await phone.pick_up()
                await is_hung_up_on(phone)
            async with human(called.setup, called.port, speech=a_person()) as phone:
                await phone.pick_up()
                await hears_the_agent_and_hangs_up(phone)
            seen = await called.when(dial_id, *callee.OVER)
            answered_by = [record["answered_by"]["kind"] for record in await server.next_records(2)]
    assert (seen["state"], seen["outcome"]) == ("completed", "answered")
    attempts = [(each["outcome"], each["answerer"]) for each in seen["attempts"]]
    assert attempts == [("machine", "machine"), ("answered", "human")]
    assert answered_by == ["machine", "human"]


async def test_nobody_listens_any_more_once_it_is_known(setup: SetupFactory) -> None:
    """The audio path has the detector in it from the answer until then, and no longer."""
    async with RealtimeServer(speaks()) as model:
        phoned = Callee(setup, model.url)
        async with (
            running(phoned.setup, wrapper=that_calls({})) as server,
            human(phoned.setup, phoned.port, speech=a_person()) as phone,
        ):
            server.process.send_signal(signal.SIGUSR1)
            await phone.pick_up()
            await server.wait_log("answerer_detected")
            await server.wait_log("path_built", count=2)
            await phone.hang_up()
            await server.next_record()
            paths = [line["path"] for line in server.lines("path_built")]
    assert ["tee(answering)" in path for path in paths] == [True, False]
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
