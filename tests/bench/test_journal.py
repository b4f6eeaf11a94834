"""Runs that are kept, so that a long row of them can be gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bench import left_to_do
from benchmarks.cost.conditions import chosen
from benchmarks.cost.journal import Journal, Machine
from benchmarks.cost.summary import Run

HERE = Machine(hardware="two cores", python="3.11", version="1")
THERE = Machine(hardware="two cores", python="3.11", version="2")
FLOOR = Run(name="floor", took_s=1.0, floor_percent=0.04)
FAILED = Run(name="g711-50", took_s=1.0, failure="TimeoutError")


def test_what_succeeded_is_not_measured_again(tmp_path: Path) -> None:
    before = Journal(tmp_path, [], HERE)
    before.add(FLOOR)
    before.add(FAILED)
    after = Journal(tmp_path, [], HERE)
    after.resume()
    assert list(left_to_do(["floor", "g711-50"], 2, after)) == ["g711-50", "floor", "g711-50"]


def test_runs_of_another_version_are_not_mixed_in(tmp_path: Path) -> None:
    Journal(tmp_path, [], HERE).add(FLOOR)
    with pytest.raises(ValueError, match="version='2'"):
        Journal(tmp_path, [], THERE).resume()


def test_tables_are_true_after_every_run(tmp_path: Path) -> None:
    Journal(tmp_path, [], HERE).add(FLOOR)
    assert "The floor: 0.0400 % of a core per call." in (tmp_path / "bench.md").read_text()


def test_a_subset_is_named_by_patterns() -> None:
    names = ["floor", "g711-50", "g711-200", "g711-200-tls"]
    assert chosen(names, ["g711-200*", "floor"]) == ["floor", "g711-200", "g711-200-tls"]
    with pytest.raises(ValueError, match="nothing is called g722"):
        chosen(names, ["g722"])
