"""The call that is compared throughout must not stand still for its own process's sake."""

from __future__ import annotations

import gc

from benchmarks.load.reference import no_full_collections

YOUNGEST, MIDDLE = gc.get_threshold()[:2]


def full_collections_of_much() -> int:
    """How many there are while several times as much comes to be as makes one due."""
    before = gc.get_stats()[2]["collections"]
    kept = [[number] for number in range(YOUNGEST * MIDDLE * 100)]
    assert kept
    return int(gc.get_stats()[2]["collections"]) - before


def test_what_the_call_keeps_is_not_looked_through() -> None:
    assert full_collections_of_much() > 0
    as_it_was = gc.get_threshold()
    with no_full_collections():
        assert full_collections_of_much() == 0
    assert gc.get_threshold() == as_it_was
