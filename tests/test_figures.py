"""docs/figures.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/figures.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE.read_text())
    missing = [f"{file}::{test}" for file, test in named if not defines(TESTS / file, test)]
    assert len(named) > 40
    assert not missing


def test_a_figure_without_a_test_says_so() -> None:
    rows = [row for row in PAGE.read_text().splitlines() if row.startswith("| ") and row.count("|") == 4]
    for row in rows:
        assert NAMED.search(row) or row.rstrip(" |").endswith(("none", "`tests/`")), row


def defines(file: Path, test: str) -> bool:
    return file.exists() and re.search(rf"def {test}\(", file.read_text()) is not None
