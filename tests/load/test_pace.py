"""A machine's pace is told by CPU time: what else runs on it doesn't count."""

from __future__ import annotations

import time

import pytest

from benchmarks.load import pace


def test_the_same_work_takes_some_time() -> None:
    assert 0.01 < pace.work_ms() < 100


def test_time_in_which_others_run_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is the thread's own: while it stands still, so does the clock."""
    clock = iter([5_000_000, 5_400_000, 7_000_000, 7_200_000, 9_000_000, 9_300_000])
    monkeypatch.setattr(time, "thread_time_ns", lambda: next(clock))
    assert pace.work_ms() == pytest.approx(0.2)
