"""How fast the machine works now.

A virtual one's processors may work at half their speed while its host has others on the same cores. Nothing
is stolen then that a counter would tell of: everybody's work just takes longer.
"""

from __future__ import annotations

import time

_ROUNDS = 3
_STEPS = 4000


def work_ms() -> float:
    """CPU time of a piece of work that is always the same, the best of a few: a quarter of a millisecond."""
    return min(_timed() for _ in range(_ROUNDS))


def _timed() -> float:
    began = time.thread_time_ns()
    _work()
    return (time.thread_time_ns() - began) / 1e6


def _work() -> int:
    """What an interpreter does all day: look-ups, arithmetic, branches."""
    seen = dict.fromkeys(range(64), 0)
    for step in range(_STEPS):
        slot = step * 7 & 63
        seen[slot] = seen[slot] + step if step & 1 else seen[slot] ^ step
    return seen[0]
