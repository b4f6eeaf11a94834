"""Which number of calls to try next, to find the one at which the service level first breaks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GROWTH = 2
#: The last number that held and the first that broke end the search when they are so close.
CLOSE_SHARE, CLOSE_CALLS = 0.1, 5


class Step(NamedTuple):
    """A number of calls that was tried."""

    calls: int
    is_held: bool


def next_calls(steps: Sequence[Step], first: int, most: int) -> int | None:
    """None at the end. What breaks is tried once more before it counts: others may have used the machine."""
    if not steps:
        return min(first, most)
    held, broken = most_held(steps), least_broken(steps)
    last = steps[-1]
    if not last.is_held and broken != last.calls:
        return last.calls
    if broken is None:
        return min(held * GROWTH, most) if held < most else None
    if broken - held <= max(CLOSE_CALLS, int(CLOSE_SHARE * held)):
        return None
    return (held + broken) // 2


def most_held(steps: Sequence[Step]) -> int:
    """Below all that broke; 0 if nothing held."""
    broken = least_broken(steps)
    return max((s.calls for s in steps if s.is_held and (broken is None or s.calls < broken)), default=0)


def least_broken(steps: Sequence[Step]) -> int | None:
    """The least that broke twice, or None."""
    broken = [step.calls for step in steps if not step.is_held]
    return min((calls for calls in broken if broken.count(calls) > 1), default=None)
