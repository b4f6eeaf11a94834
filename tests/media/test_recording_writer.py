"""The writer thread: everything in its order, and nobody waits for an end longer than it takes."""

from __future__ import annotations

import threading

import pytest

from sipagent.media import recording_writer
from sipagent.media.recording_writer import RecordingWriter

SOON_S = 2


def test_what_is_queued_is_done_in_its_order() -> None:
    writer, done = RecordingWriter(), list[int]()
    for number in range(100):
        submit = writer.submit_end if number % 7 == 0 else writer.submit
        submit(lambda number=number: done.append(number))
    writer.close()
    assert done == list(range(100))


def test_chunks_are_done_soon_though_nobody_is_woken() -> None:
    writer, done = RecordingWriter(), threading.Event()
    writer.submit(done.set)
    assert done.wait(SOON_S)
    writer.close()


def test_an_end_wakes_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_writer, "GATHER_S", 60.0)
    writer, done = RecordingWriter(), threading.Event()
    writer.submit_end(done.set)
    assert done.wait(SOON_S)
    writer.close()
