"""What a leg records."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rtp import g711
from sipagent import events
from sipagent.worker.phone import tape
from tests.media.test_recorder import sides
from tests.worker.rig import FRAME, SILENCE, Bench, noise
from tests.worker.scripted_backend import caller_speaks


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "c-1.wav"


async def test_it_holds_what_the_caller_said_and_what_it_was_sent(bench: Bench, recording: Path) -> None:
    await bench.talk()
    (built,) = bench.all(events.PathBuilt)
    assert built.path == (
        "caller: rtp -> tee(rec.caller) -> backend | agent: backend -> playout -> tee(rec.agent) -> rtp"
    )
    bench.backend.speak(noise(20, seed=2))
    bench.say(noise(5))
    bench.backend.say(caller_speaks())
    bench.say(noise(5, seed=3))
    ended = await bench.end()
    assert (ended.recording, ended.recording_truncated) == (str(recording), False)
    said = noise(5) + noise(5, seed=3)
    heard = noise(20, seed=2)[: 5 * FRAME] + SILENCE * 5
    assert sides(recording) == (g711.ulaw_to_pcm(said), g711.ulaw_to_pcm(heard))


async def test_a_call_ends_although_the_disk_hangs(
    bench: Bench, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "RECORDING_DEADLINE_S", 0.01)
    go_on = threading.Event()
    bench.recordings.submit_end(lambda: go_on.wait(2) and None)
    await bench.talk()
    bench.say(noise(5))
    ended = await bench.end()
    assert (ended.recording, ended.recording_truncated) == (str(recording), True)
    go_on.set()
