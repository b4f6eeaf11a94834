"""A leg whose backend is lost, or changed for another; and a recording that has to wait."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sipagent import events
from sipagent.backends.base import (
    AudioFinished,
    BackendFinished,
    BackendLost,
    CallerSpeechStarted,
    CallerSpeechStopped,
)
from sipagent.conversation import Said
from sipagent.errors import BackendRefused
from sipagent.formats import AudioFormat
from sipagent.worker.orders import UseBackend
from tests.media.test_recorder import sides
from tests.worker.rig import CALL_ID, FRAME, SILENCE, Bench, noise
from tests.worker.scripted_backend import ScriptedBackend

LOST = BackendLost(code="1006", message="gone", fatal=False)
#: Ticks until a moment is quiet enough for a change.
QUIET_TICKS = 30


async def test_what_a_lost_backend_has_said_is_heard(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(10))
    bench.beat(2)
    bench.backend.say(LOST)
    assert bench.beat(10) == noise(10)[2 * FRAME :] + SILENCE * 2
    (down,) = bench.all(events.BackendDown)
    assert (down.code, down.fatal) == ("1006", False)
    (spoken,) = bench.all(events.AgentSpeechEnded)
    assert (spoken.played_ms, spoken.starvations) == (200, {})
    bench.say(noise(5))
    assert bench.backend.heard == b""
    assert not bench.is_ending


async def test_another_takes_the_place_of_one_that_is_lost_at_once(bench: Bench) -> None:
    await bench.talk()
    bench.backend.say(LOST)
    other = ScriptedBackend()
    await bench.replace(other, history=[Said(role="caller", text="Hello")])
    replaced = await bench.told(events.BackendReplaced)
    assert replaced.agent == "b"
    assert bench.histories[1] == [Said(role="caller", text="Hello")]
    bench.say(noise(3))
    assert other.heard == noise(3)
    other.speak(noise(3, seed=2))
    bench.beat(4)
    assert noise(3, seed=2) in b"".join(bench.audio_sent())
    assert other.told == []


async def test_a_change_waits_until_nobody_speaks(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(5))
    other = ScriptedBackend()
    await bench.replace(other)
    bench.beat(QUIET_TICKS)
    assert not bench.all(events.BackendReplaced)  # an item that has no end
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    bench.backend.say(CallerSpeechStarted(item_id="c1"))
    bench.beat(QUIET_TICKS)
    assert not bench.all(events.BackendReplaced)
    bench.backend.say(CallerSpeechStopped(item_id="c1"))
    bench.backend.is_busy = True
    bench.beat(QUIET_TICKS)
    assert not bench.all(events.BackendReplaced)
    bench.backend.is_busy = False
    bench.beat(QUIET_TICKS)
    assert bench.all(events.BackendReplaced)
    bench.say(noise(2))
    assert other.heard == noise(2)


async def test_a_change_at_once_doesnt_wait_and_may_greet(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    other = ScriptedBackend()
    await bench.replace(other, at_once=True, greet=True)
    bench.beat()
    assert bench.all(events.BackendReplaced)
    assert other.told == [("greet",)]


async def test_formats_of_the_two_may_differ(bench: Bench) -> None:
    await bench.talk()
    other = ScriptedBackend(AudioFormat("pcm", 24000))
    await bench.replace(other, at_once=True)
    bench.beat()
    assert "resample(24000>8000) -> encode(ulaw) -> playout" in bench.all(events.PathBuilt)[-1].path
    other.speak(bytes(24000 * 2 // 10))  # 100 ms
    bench.say(noise(5))
    assert len(other.heard) == pytest.approx(24000 * 2 // 10, abs=400)


async def test_one_that_does_not_come_up_leaves_the_other_where_it_is(bench: Bench) -> None:
    await bench.talk()
    other = ScriptedBackend()
    bench.backends.append(other)
    bench.leg.use_backend(UseBackend(call_id=CALL_ID, agent=json.dumps(bench.agent)))
    other.opening.set_exception(BackendRefused("wrong key", code="401", fatal=True))
    failed = await bench.told(events.BackendNotReplaced)
    assert (failed.code, failed.fatal) == ("401", True)
    bench.say(noise(2))
    assert bench.backend.heard == noise(2)


async def test_one_that_is_lost_while_it_waits_never_speaks(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    other = ScriptedBackend()
    await bench.replace(other)
    other.say(LOST)
    bench.beat()
    assert bench.all(events.BackendNotReplaced)
    assert not bench.all(events.BackendDown)


async def test_a_second_change_takes_the_place_of_the_first(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    first, second = ScriptedBackend(), ScriptedBackend()
    await bench.replace(first)
    await bench.replace(second, at_once=True)
    bench.beat()
    bench.say(noise(2))
    assert second.heard == noise(2)
    await bench.end()
    assert first.is_closed


async def test_what_was_dropped_is_counted_for_all_who_spoke(bench: Bench) -> None:
    await bench.talk()
    await bench.replace(ScriptedBackend(), at_once=True)
    bench.beat()
    assert (await bench.end()).audio["dropped_ms"] == 80


async def test_silence_is_told_when_nothing_more_is_to_come(bench: Bench) -> None:
    await bench.talk()
    bench.beat(5)
    assert not bench.all(events.AgentFellSilent)
    bench.backend.is_busy = True
    bench.backend.speak(noise(5))
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    bench.beat(10)
    assert not bench.all(events.AgentFellSilent)
    bench.backend.is_busy = False
    bench.beat(5)
    assert len(bench.all(events.AgentFellSilent)) == 1


async def test_a_backend_has_finished_when_its_last_word_has_gone_out(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(5))
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    bench.backend.say(BackendFinished(outcome="prompt_played"))
    bench.beat(4)
    assert not bench.all(events.BackendFinished)
    bench.beat(2)
    assert [event.outcome for event in bench.all(events.BackendFinished)] == ["prompt_played"]


class TestWaitingRecording:
    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return tmp_path / "c.wav"

    @pytest.fixture
    def order(self) -> dict[str, Any]:
        return {"record_at_once": False}

    async def test_it_holds_what_was_said_from_its_start_on(self, bench: Bench, recording: Path) -> None:
        await bench.talk()
        bench.say(noise(50))
        assert "rec" not in bench.all(events.PathBuilt)[-1].path
        bench.leg.start_recording()
        (started,) = bench.all(events.RecordingStarted)
        assert started.at == bench.now
        assert "tee(rec.caller)" in bench.all(events.PathBuilt)[-1].path
        bench.say(noise(50, seed=2))
        bench.leg.start_recording()
        assert (await bench.end()).recording == str(recording)
        left, _ = sides(recording)
        assert len(left) == pytest.approx(50 * 2 * FRAME, abs=4 * FRAME)
        assert len(bench.all(events.RecordingStarted)) == 1

    async def test_without_consent_there_is_none(self, bench: Bench, recording: Path) -> None:
        await bench.talk()
        bench.say(noise(50))
        assert (await bench.end()).recording is None
        assert not recording.exists()

    async def test_it_may_be_allowed_before_audio_flows(self, bench: Bench, recording: Path) -> None:
        await bench.get_ready()
        bench.leg.start_recording()
        bench.start("PCMA")
        bench.say(noise(5))
        assert (await bench.end()).recording == str(recording)
