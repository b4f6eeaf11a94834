"""Which silent workers hang, and which are only kept from their work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from sipagent.worker.control.vigil import (
    HUNG_AFTER_S,
    LOOK_EVERY_S,
    RECOVERED_AFTER_S,
    STARVED_AFTER_S,
    Doing,
    Vigil,
)

START = 100.0


def hung_after(doing: Callable[[float], Doing]) -> float:
    """When a worker that says nothing any more is found to hang, in seconds; looked at now and then."""
    vigil = Vigil(START)
    for look in range(100):
        now = START + (look + 1) * LOOK_EVERY_S
        if vigil.is_hung(START, partial(doing, now), now):
            return now - START
    return float("inf")


@pytest.mark.parametrize(
    "doing",
    [
        lambda now: Doing("T", 5.0),
        lambda now: Doing("S", 5.0),
        lambda now: Doing("X", 0.0),
        lambda now: Doing("R", now - START),
    ],
    ids=["stopped", "waiting", "gone", "turning in a circle"],
)
def test_a_worker_that_says_nothing_and_could(doing: Callable[[float], Doing]) -> None:
    assert hung_after(doing) == pytest.approx(HUNG_AFTER_S, abs=LOOK_EVERY_S)


@pytest.mark.parametrize(
    "doing",
    [lambda now: Doing("R", 5.0 + 0.1 * (now - START)), lambda now: Doing("D", 5.0)],
    ids=["not let run", "waiting for the disk"],
)
def test_a_worker_that_can_not_is_given_time(doing: Callable[[float], Doing]) -> None:
    assert hung_after(doing) == pytest.approx(STARVED_AFTER_S, abs=LOOK_EVERY_S)


def test_a_worker_that_is_let_run_again_may_read_and_speak_first() -> None:
    """It may just be asleep when it is looked at, between two pieces of what it has to make up for."""
    starved_s = 2.0

    def doing(now: float) -> Doing:
        return Doing("R" if now - START < starved_s else "S", 5.0)

    assert hung_after(doing) == pytest.approx(starved_s + RECOVERED_AFTER_S, abs=LOOK_EVERY_S)


def test_a_worker_that_speaks_is_not_even_looked_at() -> None:
    vigil = Vigil(START)
    for look in range(100):
        now = START + look * LOOK_EVERY_S
        assert not vigil.is_hung(now - 0.15, pytest.fail, now)


def test_what_was_said_while_we_were_held_up_is_still_to_be_read() -> None:
    vigil = Vigil(START)
    assert not vigil.is_hung(START, lambda: Doing("S", 5.0), START + 3.0)
    assert not vigil.is_hung(START, lambda: Doing("S", 5.0), START + 3.1)
    assert not vigil.is_hung(START + 3.15, lambda: Doing("S", 5.0), START + 3.2)


def test_held_up_ourselves_we_notice_a_hang_all_the_same() -> None:
    vigil = Vigil(START)
    vigil.is_hung(START, lambda: Doing("S", 5.0), START + 3.0)
    looks = [START + 3.0 + number * LOOK_EVERY_S for number in range(1, 8)]
    assert any(vigil.is_hung(START, lambda: Doing("S", 5.0), now) for now in looks)
