"""Two legs whose phones talk to each other, their agents aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtp import g711
from rtp.events import DigitReceived
from sipagent import events
from sipagent.backends.base import AudioReceived
from sipagent.formats import ULAW, AudioFormat
from tests.media.test_recorder import sides
from tests.worker.rig import FRAME, PATIENCE_S, Bench, noise
from tests.worker.scripted_backend import caller_speaks

SECONDS = 2
WORDS, REPLY = noise(50 * SECONDS, seed=1), noise(50 * SECONDS, seed=2)


class Pair:
    """Caller and human, on one clock. Each says its words frame by frame as long as time passes."""

    def __init__(self, caller: Bench, human: Bench) -> None:
        self.caller, self.human = caller, human
        self.heard_by_caller = self.heard_by_human = b""

    def talk(self, words: bytes = b"", reply: bytes = b"") -> None:
        for at in range(0, max(len(words), len(reply)), FRAME):
            for bench, audio in ((self.caller, words), (self.human, reply)):
                if audio[at : at + FRAME]:
                    bench.phone.send_frame(audio[at : at + FRAME], bench.now)
                    bench._deliver()
            self.beat()

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            self.heard_by_caller += self.caller.beat()
            self.heard_by_human += self.human.beat()

    def join(self, agent_listens: bool = False) -> None:
        self.caller.leg.join(self.human.leg, agent_listens)


@pytest.fixture
async def pair(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Pair]:
    """Both talk already, each with its agent. The human's phone speaks what a test's parameter says."""
    await bench.talk()
    human = Bench(monkeypatch, ULAW, None)
    await human.get_ready()
    human.start(getattr(request, "param", "PCMU"))
    human.now = bench.now
    yield Pair(bench, human)
    if not human.running.done():
        human.leg.close("caller_hung_up")
        await human.running
    human.recordings.close()


async def test_what_either_says_the_other_hears_bit_by_bit(pair: Pair) -> None:
    pair.join()
    pair.talk(WORDS, REPLY)
    assert WORDS[: -8 * FRAME] in pair.heard_by_human
    assert REPLY[: -8 * FRAME] in pair.heard_by_caller


async def test_a_bursty_network_on_one_side_is_unheard_on_the_other(pair: Pair) -> None:
    """Three packets of the human's come at once, every 60 ms: the caller gets a frame on every tick."""
    pair.join()
    for at in range(0, len(REPLY), FRAME):
        pair.human.phone.send_frame(REPLY[at : at + FRAME], pair.human.now)
        if at // FRAME % 3 == 2:
            pair.human._deliver()
        pair.beat()
    assert REPLY[: -8 * FRAME] in pair.heard_by_caller


@pytest.mark.parametrize("pair", ["PCMA"], indirect=True)
async def test_phones_of_two_laws_understand_each_other(pair: Pair) -> None:
    pair.join()
    pair.talk(WORDS, g711.ulaw_to_alaw(REPLY))
    assert g711.ulaw_to_alaw(WORDS)[: -8 * FRAME] in pair.heard_by_human
    heard = np.frombuffer(g711.ulaw_to_pcm(pair.heard_by_caller), "<i2").astype(float)
    said = np.frombuffer(g711.ulaw_to_pcm(REPLY[: -8 * FRAME]), "<i2").astype(float)
    at = int(np.argmax(np.correlate(heard, said, "valid")))
    assert np.abs(heard[at : at + len(said)] - said).max() <= 1024


async def test_a_change_of_law_in_mid_bridge_is_followed(pair: Pair) -> None:
    pair.join()
    pair.talk(WORDS[: 20 * FRAME])
    pair.caller.start("PCMA")
    pair.talk(g711.ulaw_to_alaw(WORDS[: 40 * FRAME]), REPLY[: 40 * FRAME])
    assert g711.alaw_to_ulaw(g711.ulaw_to_alaw(WORDS[26 * FRAME : 38 * FRAME])) in pair.heard_by_human
    assert g711.ulaw_to_alaw(REPLY[10 * FRAME : 30 * FRAME]) in pair.heard_by_caller


async def test_the_agent_is_neither_heard_nor_does_it_hear(pair: Pair) -> None:
    pair.join()
    backend = pair.caller.backend
    heard_before = len(backend.heard)
    backend.say(AudioReceived(item_id="late", content_index=0, audio=noise(20, seed=9)))
    assert backend.told[-1] == ("interrupt", "late", 0, 0)
    pair.talk(WORDS, REPLY)
    assert set(backend.heard[heard_before:]) == set(ULAW.silence)
    assert len(backend.heard) - heard_before == len(WORDS)
    assert noise(20, seed=9)[:FRAME] not in pair.heard_by_caller
    async with asyncio.timeout(PATIENCE_S):
        await pair.human.backend.closed.wait()


async def test_an_agent_may_go_on_listening(pair: Pair) -> None:
    pair.join(agent_listens=True)
    pair.caller.backend.say(caller_speaks())
    pair.talk(WORDS, REPLY)
    assert WORDS[: -8 * FRAME] in pair.caller.backend.heard
    assert REPLY[:FRAME] not in pair.caller.backend.heard
    assert REPLY[: -8 * FRAME] in pair.heard_by_caller


async def test_the_agent_gets_its_caller_back(pair: Pair) -> None:
    pair.join()
    pair.talk(WORDS[: 20 * FRAME], REPLY[: 20 * FRAME])
    pair.caller.leg.give_back()
    before = len(pair.caller.backend.heard)
    pair.caller.backend.speak(noise(20, seed=5), "again")
    pair.talk(noise(30, seed=6), REPLY[: 30 * FRAME])
    assert noise(20, seed=5) in pair.heard_by_caller
    assert noise(30, seed=6) in pair.caller.backend.heard[before:]
    assert REPLY[25 * FRAME : 30 * FRAME] not in pair.heard_by_caller


async def test_who_is_left_hears_silence_until_the_agent_is_back(pair: Pair) -> None:
    pair.join()
    pair.talk(WORDS[: 20 * FRAME], REPLY[: 20 * FRAME])
    await pair.human.end()
    before = len(pair.heard_by_caller)
    for _ in range(10):
        pair.heard_by_caller += pair.caller.beat()
    assert set(pair.heard_by_caller[before:]) == set(ULAW.silence)
    pair.caller.leg.give_back()
    pair.caller.backend.speak(noise(5, seed=5), "again")
    pair.caller.beat(6)
    assert b"".join(pair.caller.audio_sent()).rstrip(ULAW.silence).endswith(noise(5, seed=5))


async def test_a_caller_hears_it_ring_while_somebody_is_called(pair: Pair) -> None:
    pair.caller.leg.set_aside(ringing=True)
    heard = np.frombuffer(g711.ulaw_to_pcm(pair.caller.beat(50 * 4)), "<i2")
    assert np.abs(heard[:8000]).max() > 4000
    assert not heard[8200:].any()


async def test_digits_are_passed_on_and_not_to_the_agent(pair: Pair) -> None:
    pair.join()
    pair.caller.press("5")
    pair.beat(20)
    assert pair.human.udp is not None
    pressed = [each.digit for each in pair.human.what_the_phone_noticed() if isinstance(each, DigitReceived)]
    assert pressed == ["5"]
    assert ("digit", "5") not in pair.caller.backend.told
    assert [event.digit for event in pair.caller.all(events.DigitReceived)] == ["5"]


async def test_a_hold_of_either_side_leaves_the_other_alone(pair: Pair) -> None:
    pair.join()
    pair.talk(WORDS[: 20 * FRAME], REPLY[: 20 * FRAME])
    pair.human.start(direction="inactive")
    pair.talk(WORDS[20 * FRAME : 60 * FRAME])
    pair.human.start()
    pair.talk(WORDS[60 * FRAME :], REPLY[20 * FRAME : 60 * FRAME])
    assert WORDS[30 * FRAME : 40 * FRAME] not in pair.heard_by_human
    assert WORDS[70 * FRAME : 90 * FRAME] in pair.heard_by_human
    assert REPLY[30 * FRAME : 50 * FRAME] in pair.heard_by_caller


class TestRecording:
    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return tmp_path / "call.wav"

    @pytest.fixture(params=[ULAW, AudioFormat("pcm", 24000)], ids=str)
    def audio(self, request: Any) -> AudioFormat:
        audio: AudioFormat = request.param
        return audio

    @pytest.mark.parametrize("pair", ["PCMU", "PCMA"], indirect=True)
    async def test_the_caller_is_left_and_the_human_right_in_step(self, pair: Pair, recording: Path) -> None:
        """Both say a word at the same time: it has to stand at the same place on both sides."""
        pair.join()
        silence = ULAW.silence * FRAME * 25
        word = noise(10, seed=3)
        spoken = silence + word + silence
        law = pair.human.phone._params.codec
        pair.talk(spoken, spoken if law == "PCMU" else g711.ulaw_to_alaw(spoken))
        await pair.caller.end()
        both = [np.frombuffer(side, "<i2").astype(float) for side in sides(recording)]
        wanted = np.frombuffer(g711.ulaw_to_pcm(word), "<i2").astype(float)
        left, right = (int(np.argmax(np.correlate(side, wanted, "valid"))) for side in both)
        assert abs(left - right) <= 0.04 * 8000
        assert np.array_equal(both[0][left : left + len(wanted)], wanted)
