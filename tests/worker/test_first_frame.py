"""The agent's first frame goes out when its audio comes, in the place of the next tick's."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from rtp import g711
from rtp.packet import RtpPacket, parse
from sipagent import events
from sipagent.backends.base import AudioFinished
from sipagent.formats import ULAW
from tests.media.test_recorder import sides
from tests.worker.rig import FRAME, SILENCE, Bench, noise


async def quiet_call(bench: Bench) -> None:
    """Nobody has said anything yet; the next tick is half a frame away."""
    await bench.talk()
    bench.say(SILENCE * 5)
    bench.now += 0.01


def sent(bench: Bench) -> list[RtpPacket]:
    assert bench.udp is not None
    return [parse(data) for data in bench.udp.rtp]


def finish(bench: Bench) -> None:
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))


async def test_it_takes_the_next_ticks_place_number_and_timestamp(bench: Bench) -> None:
    await quiet_call(bench)
    bench.backend.speak(noise(3))
    assert bench.audio_sent()[-1] == noise(3)[:FRAME]
    bench.now -= 0.01
    assert bench.beat() == b""
    assert bench.beat(2) == noise(3)[FRAME:]
    packets = sent(bench)
    assert len(packets) == 5 + 3
    for before, after in pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == FRAME


async def test_it_is_one_frame_however_much_comes(bench: Bench) -> None:
    await quiet_call(bench)
    for index in range(4):
        bench.backend.speak(noise(5, seed=index))
    assert len(sent(bench)) == 6
    (started,) = bench.all(events.AgentSpeechStarted)
    assert started.at == bench.now


async def test_less_than_a_frame_waits_for_the_rest(bench: Bench) -> None:
    await quiet_call(bench)
    bench.backend.speak(noise(1)[:100])
    assert len(sent(bench)) == 5
    bench.backend.speak(noise(1)[100:])
    assert bench.audio_sent()[5:] == [noise(1)]


async def test_speech_that_goes_on_keeps_to_the_tick(bench: Bench) -> None:
    await quiet_call(bench)
    bench.backend.speak(noise(1))
    bench.beat()
    for index in range(3):
        bench.backend.speak(noise(1, seed=index))
        assert bench.beat() == noise(1, seed=index)


async def test_after_a_pause_in_mid_speech_too(bench: Bench) -> None:
    await quiet_call(bench)
    bench.backend.speak(noise(2))
    assert bench.beat(3) == noise(2)[FRAME:] + SILENCE
    bench.backend.speak(noise(1, seed=2))
    assert bench.beat() == noise(1, seed=2)


async def test_the_next_utterance_begins_at_once_as_well(bench: Bench) -> None:
    await quiet_call(bench)
    bench.backend.speak(noise(1))
    finish(bench)
    bench.beat(3)
    bench.backend.speak(noise(1, seed=2), item_id="i2")
    assert bench.audio_sent()[-1] == noise(1, seed=2)
    assert bench.beat() == b""


async def test_a_digit_that_is_being_sent_goes_first(bench: Bench) -> None:
    await bench.get_ready()
    bench.start()
    bench.say(SILENCE * 5)
    bench.leg.send_digits("5", inband=False)
    bench.backend.speak(noise(2))
    assert len(sent(bench)) == 5
    bench.beat(30)
    assert bench.audio_sent()[:5] == [SILENCE] * 5
    assert b"".join(bench.audio_sent()[5:]).strip(ULAW.silence) == noise(2)


async def test_a_digit_waits_for_the_slot_after_it(bench: Bench) -> None:
    await quiet_call(bench)
    bench.backend.speak(noise(1))
    bench.leg.send_digits("5", inband=False)
    assert bench.beat() == b""
    bench.beat()
    speech, digit = sent(bench)[5:]
    assert (speech.payload_type, digit.payload_type) == (0, 101)
    assert digit.timestamp == (speech.timestamp + FRAME) & 0xFFFFFFFF


async def test_nothing_is_sent_on_hold(bench: Bench) -> None:
    await quiet_call(bench)
    bench.start(direction="recvonly")
    bench.backend.speak(noise(2))
    assert len(sent(bench)) == 5


class TestRecorded:
    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return tmp_path / "c-1.wav"

    async def test_it_stands_in_its_place(self, bench: Bench, recording: Path) -> None:
        began = bench.now
        await quiet_call(bench)
        bench.backend.speak(noise(10))
        finish(bench)
        bench.now -= 0.01
        bench.beat(20)
        await bench.end()
        (ended,) = bench.all(events.AgentSpeechEnded)
        assert ended.played_ms == 200
        _, agent = sides(recording)
        assert len(agent) == round((bench.now - began) * 16000)
        assert agent.index(g711.ulaw_to_pcm(noise(10))) == 5 * 2 * FRAME
