"""Recordings on a disk that is full, or slow: what was written stays, and what is missing is told."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rtp import g711, wav
from sipagent.media import recording_writer
from sipagent.media.recorder import RecordingOutcome, RecordingWriter
from sipagent.media.recording_file import repair
from tests.media.recorded_call import SOON_S, Call, noise, sides


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_truncates_the_recording_and_says_so(
    path: Path, writer: RecordingWriter
) -> None:
    caller, agent = noise(3.0, seed=1), noise(3.0, seed=2)
    call = Call(path, writer)
    with disk_with_room_for(wav.HEADER_BYTES + 50_001):
        call.flow(caller, agent)
        assert call.hang_up() == RecordingOutcome(str(path), truncated=True)
    left, right = sides(path)
    assert len(left) == 25_000
    assert (left, right) == (g711.ulaw_to_pcm(caller[:12_500]), g711.ulaw_to_pcm(agent[:12_500]))


def test_a_failure_is_told_as_it_happens(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    with disk_with_room_for(wav.HEADER_BYTES):
        call.flow(noise(0.6, seed=1), noise(0.6, seed=2))
        written = threading.Event()
        writer.submit(written.set)
        assert written.wait(SOON_S)
    assert call.failures == []
    call.flow(noise(0.02, seed=3), noise(0.02, seed=4))
    assert call.failures == ["File too large"]
    call.hang_up()
    assert len(call.failures) == 1


@pytest.mark.parametrize("room", [0, 20])
def test_a_disk_full_from_the_start_costs_this_recording_and_no_other(
    path: Path, writer: RecordingWriter, room: int
) -> None:
    call = Call(path, writer)
    with disk_with_room_for(room):
        call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
        assert call.hang_up().truncated
    other = Call(path.with_name("c-2.wav"), writer)
    other.flow(noise(0.5, seed=3), noise(0.5, seed=4))
    assert not other.hang_up().truncated
    assert repair(path.parent) == []
    assert [each.name for each in path.parent.iterdir()] == ["c-2.wav"]


def test_a_file_in_the_place_of_the_directory_truncates_too(path: Path, writer: RecordingWriter) -> None:
    path.parent.write_text("in the way")
    call = Call(path, writer)
    call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
    assert call.hang_up().truncated


def test_a_failed_recording_leaves_no_file_open(path: Path, writer: RecordingWriter) -> None:
    before = len(os.listdir("/proc/self/fd"))
    call = Call(path, writer)
    with disk_with_room_for(0):
        call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
        call.hang_up()
    assert len(os.listdir("/proc/self/fd")) == before


class SlowDisk:
    """A writer with room for two chunks, whose disk does nothing until the test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recording_writer, "QUEUE_CHUNKS", 2)
        self.writer = RecordingWriter()
        self._go_on = threading.Event()
        stalled = threading.Event()
        self.writer.submit(lambda: self._stall(stalled))
        assert stalled.wait(SOON_S)

    def catch_up(self) -> None:
        """Write all that is queued."""
        self._go_on.set()
        written = threading.Event()
        self.writer.submit_end(written.set)
        assert written.wait(SOON_S)

    def _stall(self, stalled: threading.Event) -> None:
        stalled.set()
        assert self._go_on.wait(SOON_S)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    disk = SlowDisk(monkeypatch)
    yield disk
    disk.catch_up()
    disk.writer.close()


def test_a_disk_too_slow_loses_chunks_and_says_so(path: Path, slow_disk: SlowDisk) -> None:
    caller, agent = noise(5.0, seed=1), noise(5.0, seed=2)
    call = Call(path, slow_disk.writer)
    call.flow(caller, agent)
    slow_disk.catch_up()
    assert call.hang_up().truncated
    left, right = sides(path)
    assert 0 < len(left) < 2 * len(caller)
    assert g711.ulaw_to_pcm(caller).startswith(left)
    assert g711.ulaw_to_pcm(agent).startswith(right)
    assert call.failures == ["the disk is too slow"]


def test_a_recording_that_ends_meanwhile_is_completed_all_the_same(path: Path, slow_disk: SlowDisk) -> None:
    call = Call(path, slow_disk.writer)
    call.flow(noise(5.0, seed=1), noise(5.0, seed=2))
    finished = call.recorder.finish(call.now)
    assert not finished.done()
    slow_disk.catch_up()
    assert finished.result(SOON_S) == RecordingOutcome(str(path), truncated=True)
    assert 0 < len(sides(path)[0]) < 2 * 5 * 8000


def test_whoever_stops_waiting_does_not_stop_the_writing(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    call.flow(noise(0.5, seed=1), noise(0.5, seed=2))
    finished = call.recorder.finish(call.now)
    assert not finished.cancel()
    assert not finished.result(SOON_S).truncated
