"""A leg whose call is held, and taken up again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtp import g711
from rtp.session import Direction
from sipagent import events
from tests.media.test_recorder import sides
from tests.worker.rig import FRAME, SILENCE, Bench, noise
from tests.worker.scripted_backend import caller_speaks

HELD = pytest.mark.parametrize("direction", ["recvonly", "inactive"])


async def test_nothing_is_sent_on_hold(bench: Bench) -> None:
    await bench.get_ready()
    bench.start(direction="recvonly")
    bench.backend.speak(noise(2))
    assert bench.beat(3) == b""
    bench.start()
    assert bench.beat(2) == noise(2)


@HELD
async def test_the_agent_stops_and_goes_on_where_it_was(bench: Bench, direction: Direction) -> None:
    await bench.talk()
    bench.backend.speak(noise(100))
    before = bench.beat(20)
    bench.start(direction=direction)
    assert bench.beat(200) == b""
    bench.start()
    after = bench.beat(80)
    assert before + after == noise(100)
    await bench.end()
    (ended,) = bench.all(events.AgentSpeechEnded)
    assert (ended.played_ms, ended.flushed_ms, ended.starvations) == (2000, 0, {})


async def test_speech_that_comes_during_a_hold_waits_for_its_end(bench: Bench) -> None:
    await bench.talk()
    bench.start(direction="recvonly")
    bench.backend.speak(noise(10))
    assert bench.beat(10) == b""
    assert bench.all(events.AgentSpeechStarted) == []
    bench.start()
    assert bench.beat(10) == noise(10)


async def test_what_the_backend_interrupts_on_hold_is_not_heard_after_it(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    bench.beat(5)
    bench.start(direction="inactive")
    bench.beat(50)
    bench.backend.say(caller_speaks())
    assert bench.backend.told[-1] == ("interrupt", "i1", 0, 100)
    bench.start()
    assert bench.beat(10) == SILENCE * 10


@HELD
async def test_the_backend_hears_silence_at_the_pace_of_the_clock(bench: Bench, direction: Direction) -> None:
    await bench.talk()
    bench.say(noise(50))
    bench.start(direction=direction)
    bench.say(noise(100, seed=2))
    bench.start()
    bench.say(noise(50, seed=3))
    assert bench.backend.heard == noise(50) + SILENCE * 100 + noise(50, seed=3)


async def test_a_peer_that_listens_still_hears_the_agent(bench: Bench) -> None:
    await bench.talk()
    bench.start(direction="sendonly")
    bench.backend.speak(noise(10))
    assert bench.beat(12) == noise(10) + SILENCE * 2


@pytest.mark.parametrize("order", [{"hold_tone": True}], ids=["tone"])
@pytest.mark.parametrize(
    ("direction", "is_heard"),
    [("sendonly", True), ("recvonly", False), ("inactive", False), ("sendrecv", False)],
)
async def test_a_hold_tone_sounds_where_it_is_heard(
    bench: Bench, direction: Direction, is_heard: bool
) -> None:
    await bench.talk()
    bench.start(direction=direction)
    sent = bench.beat(250)
    assert bool(sent.replace(SILENCE, b"")) == is_heard
    assert len(sent) == (250 * FRAME if direction in ("sendonly", "sendrecv") else 0)


@pytest.mark.parametrize("order", [{"hold_tone": True}], ids=["tone"])
async def test_the_agent_is_louder_than_the_hold_tone(bench: Bench) -> None:
    await bench.talk()
    bench.start(direction="sendonly")
    bench.backend.speak(noise(300))
    assert bench.beat(300) == noise(300)


class TestRecorded:
    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return tmp_path / "c-1.wav"

    @HELD
    async def test_it_goes_on_in_silence_and_both_sides_stay_where_they_belong(
        self, bench: Bench, recording: Path, direction: Direction
    ) -> None:
        await bench.talk()
        bench.backend.speak(noise(100, seed=5))
        bench.say(noise(50))
        bench.start(direction=direction)
        bench.say(noise(150, seed=2))
        bench.start()
        bench.say(noise(50, seed=3))
        await bench.end()
        caller = noise(50) + SILENCE * 150 + noise(50, seed=3)
        spoken = noise(100, seed=5)
        agent = spoken[: 50 * FRAME] + SILENCE * 150 + spoken[50 * FRAME :]
        assert sides(recording) == (g711.ulaw_to_pcm(caller), g711.ulaw_to_pcm(agent))

    async def test_digits_that_we_send_push_nothing_out_of_its_place(
        self, bench: Bench, recording: Path
    ) -> None:
        await bench.talk()
        bench.backend.speak(noise(100, seed=5))
        bench.say(noise(50))
        bench.leg.send_digits("123", inband=False)
        bench.say(noise(100, seed=2))
        await bench.end()
        left, right = (np.frombuffer(side, "<i2") for side in sides(recording))
        assert len(left) == len(right) == 150 * FRAME
        rest = g711.ulaw_to_pcm(noise(100, seed=5)[50 * FRAME :])
        resumed_at = right.tobytes().index(rest) // 2
        sent = b"".join(bench.audio_sent()).index(noise(100, seed=5)[50 * FRAME :])
        assert resumed_at == pytest.approx(sent + (150 - len(bench.audio_sent())) * FRAME, abs=320)
