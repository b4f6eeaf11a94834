"""Which of a pool's numbers a call is placed from. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import takewhile

from sipagent.config import PoolConfig
from sipagent.outbound.windows import DAY_S, Window


class NumberUse:
    """What each of our numbers does now, and did in the last 24 hours, whichever pool it was taken from."""

    def __init__(self) -> None:
        self._on: Counter[str] = Counter()
        self._placed: defaultdict[str, Window] = defaultdict(Window)

    def placed(self, number: str, at: float) -> None:
        self._placed[number].note(at)

    def taken_back(self, number: str, at: float) -> None:
        self._placed[number].take_back(at)

    def went_on(self, number: str) -> None:
        self._on[number] += 1

    def ended(self, number: str) -> None:
        self._on[number] -= 1

    def choose(self, pool: PoolConfig, callee: str, last: str | None, now: float) -> str | None:
        """The number to call `callee` from, None while none is free.

        `last` is the number of the pool that the callee was called from before.
        """
        if pool.sticky and last in pool.numbers:
            return last if self._is_free(last, pool, now) else None
        free = [number for number in pool.numbers if self._is_free(number, pool, now)]
        return self._best(pool, callee, free, now)

    def forget(self, now: float) -> None:
        for window in self._placed.values():
            window.forget(now)

    def _is_free(self, number: str, pool: PoolConfig, now: float) -> bool:
        most, per_day = pool.max_concurrent_per_number, pool.max_per_day_per_number
        if most is not None and self._on[number] >= most:
            return False
        return per_day is None or self._placed[number].count(now, DAY_S) < per_day

    def _best(self, pool: PoolConfig, callee: str, free: Iterable[str], now: float) -> str | None:
        """Where numbers are equally good, the one that has rested longest."""

        def rank(number: str) -> tuple[float, float]:
            rested_since = self._placed[number].last()
            match pool.choose:
                case "round_robin":
                    return rested_since, 0
                case "least_used":
                    return self._placed[number].count(now, DAY_S), rested_since
                case "matching_prefix":
                    return -_digits_in_common(number, callee), rested_since

        return min(free, key=rank, default=None)


def _digits_in_common(number: str, callee: str) -> int:
    """How many first ones are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(number, callee, strict=False)))
