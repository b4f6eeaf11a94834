"""A leg that goes on where another worker's was lost."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rtp.packet import parse
from sipagent import events
from sipagent.formats import ULAW
from sipagent.worker.orders import Resumption
from sipagent.worker.reports import LegSnapshot
from tests.media.test_recorder import sides
from tests.worker.rig import SILENCE, Bench, noise
from tests.worker.scripted_backend import ScriptedBackend

UNWRITTEN_MS = 600


def leave_unfinished(recording: Path) -> None:
    """As if its worker had died before it had written all."""
    part = recording.with_name(f"{recording.name}.part")
    recording.rename(part)
    os.truncate(part, part.stat().st_size - UNWRITTEN_MS * 8 * 4 - 3)


def last_snapshot(bench: Bench) -> LegSnapshot:
    return [event for event in bench.events if isinstance(event, LegSnapshot)][-1]


def lost(bench: Bench, after_s: float = 0.0, **fields: object) -> Resumption:
    """What control makes of the last snapshot."""
    seen = last_snapshot(bench)
    known = {"session": seen.session, "audio": seen.audio, "recorded_since": seen.recorded_since}
    return Resumption(lost_at=bench.now + after_s, **(known | fields))  # type: ignore[arg-type]


@pytest.fixture
async def first(monkeypatch: pytest.MonkeyPatch, recording: Path | None) -> AsyncIterator[Bench]:
    """A leg that is carried by a worker which will be lost: its files stay as they are then."""
    bench = Bench(monkeypatch, ULAW, recording)
    await bench.talk()
    yield bench
    if not bench.running.done():
        await bench.end()
    bench.recordings.close()


def successor(monkeypatch: pytest.MonkeyPatch, first: Bench, recording: Path | None, after_s: float) -> Bench:
    """The same leg in another worker, the backend not yet sent for."""
    resumption = lost(first)
    bench = Bench(monkeypatch, ULAW, recording, resumption=resumption)
    bench.now = first.now + after_s
    bench.phone = first.phone
    bench.backends = []
    return bench


async def test_snapshots_come_at_once_and_every_second(first: Bench) -> None:
    first.beat(120)
    snapshots = [event for event in first.events if isinstance(event, LegSnapshot)]
    assert [round(each.at - snapshots[0].at, 2) for each in snapshots] == [0.0, 1.0, 2.0]
    assert first.backend.told == [("greet",)]


async def test_it_sends_at_once_and_nobody_greets(monkeypatch: pytest.MonkeyPatch, first: Bench) -> None:
    first.say(noise(5))
    first.beat(60)
    bench = successor(monkeypatch, first, None, after_s=0.5)
    bench.start()
    assert bench.beat() == SILENCE
    assert first.udp is not None
    assert bench.udp is not None
    before, after = parse(first.udp.rtp[-1]), parse(bench.udp.rtp[0])
    assert before.ssrc == after.ssrc
    assert 0 < after.sequence - before.sequence < 60
    assert (await bench.told(events.LegReady)).agent == "a"
    await bench.end()


async def test_the_next_backend_takes_the_empty_seat_at_once(
    monkeypatch: pytest.MonkeyPatch, first: Bench
) -> None:
    first.say(noise(5))
    first.beat(60)
    bench = successor(monkeypatch, first, None, after_s=0.5)
    bench.start()
    bench.beat()
    second = ScriptedBackend(ULAW)
    await bench.replace(second)
    bench.beat()
    await bench.told(events.BackendReplaced)
    second.speak(noise(3, seed=2))
    bench.beat(5)
    assert noise(3, seed=2) in b"".join(bench.audio_sent())
    bench.say(noise(5, seed=3))
    assert noise(5, seed=3) in second.heard
    ended = await bench.end()
    assert ended.rtp["inbound"]["packets"] == 10
    assert ended.audio["dropped_ms"] == 80


class TestRecorded:
    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return tmp_path / "c-1.wav"

    async def test_the_recording_goes_on_by_the_same_clock(
        self, monkeypatch: pytest.MonkeyPatch, first: Bench, recording: Path
    ) -> None:
        first.say(noise(100))
        began = last_snapshot(first).recorded_since
        assert began is not None
        lost_at = first.now
        await first.end()
        leave_unfinished(recording)
        bench = successor(monkeypatch, first, recording, after_s=0.4)
        bench.start()
        bench.say(noise(60, seed=2))
        ended_at = bench.now
        ended = await bench.end()
        assert ended.recording == str(recording)
        assert not ended.recording_truncated
        left, right = sides(recording)
        assert len(left) == len(right) == pytest.approx((ended_at - began) * 16000, abs=640)
        (resumed,) = bench.all(events.RecordingResumed)
        assert resumed.lost_at == lost_at
        assert resumed.missing_ms == pytest.approx(UNWRITTEN_MS, abs=20)
        assert any(left[:16000])
        bench.recordings.close()
