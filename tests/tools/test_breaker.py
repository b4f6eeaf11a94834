"""When a tool is taken for down, and when it is tried again."""

from __future__ import annotations

import pytest

from sipagent.config.tools import BreakerConfig
from sipagent.tools.breaker import Breaker, BreakerState

CONFIG = BreakerConfig(failures=3, failure_rate=0.5, window=6, open_s=10)


def told(outcomes: str, now: float = 0.0) -> Breaker:
    """A breaker after calls that succeeded (+) or failed (-)."""
    breaker = Breaker(CONFIG)
    for outcome in outcomes:
        assert breaker.allow(now)
        breaker.succeeded() if outcome == "+" else breaker.failed(now)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("", "closed"),
        ("--", "closed"),
        ("---", "open"),
        ("--+--", "closed"),
        ("-+-+-+", "closed"),
        ("-+--+-", "open"),
        ("++++++-+-+-", "closed"),
        ("++++--+--", "open"),
    ],
)
def test_failures_in_a_row_or_too_many_of_the_latest_open_it(outcomes, state):
    assert told(outcomes).state(0.0) == state


def test_an_open_one_lets_nothing_through_until_its_time_is_over():
    breaker = told("---", now=100.0)
    assert not breaker.allow(109.9)
    assert breaker.state(110.0) is BreakerState.HALF_OPEN


def test_half_open_one_call_tries_it_and_the_others_wait_for_its_outcome():
    breaker = told("---")
    assert breaker.allow(10.0)
    assert not breaker.allow(10.0)
    breaker.succeeded()
    assert breaker.is_closed
    assert breaker.allow(10.0)
    breaker.failed(10.0)
    assert breaker.is_closed


def test_a_trial_that_fails_opens_it_anew():
    breaker = told("---")
    assert breaker.allow(12.0)
    breaker.failed(13.0)
    assert not breaker.allow(22.9)
    assert breaker.allow(23.0)


def test_a_trial_that_nobody_waited_for_leaves_room_for_another():
    breaker = told("---")
    assert breaker.allow(10.0)
    breaker.unsure()
    assert not breaker.is_closed
    assert breaker.allow(10.0)
