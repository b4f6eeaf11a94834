"""How much happened lately: times in a sliding window. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from math import inf, nextafter

MINUTE_S, DAY_S = 60.0, 86400.0


class Window:
    """The times of the last `DAY_S` seconds, in order. Times are Unix times in seconds."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def note(self, at: float) -> None:
        insort(self._times, at)

    def take_back(self, at: float) -> None:
        """It did not happen after all."""
        self._times.remove(at)

    def count(self, now: float, window_s: float) -> int:
        return len(self._times) - bisect_right(self._times, now - window_s)

    def last(self) -> float:
        """The newest, minus infinity if there is none."""
        return self._times[-1] if self._times else -inf

    def room_at(self, most: int, wanted: int, now: float, window_s: float) -> float:
        """When `wanted` more still make no more than `most` in any window: `now` if they do already.

        Infinity where they never will.
        """
        if wanted > most:
            return inf
        surplus = self.count(now, window_s) + wanted - most
        if surplus <= 0:
            return now
        first = bisect_right(self._times, now - window_s)
        leaves = self._times[first + surplus - 1]
        room_at = leaves + window_s
        # Where that was rounded down `count` would still see what is to leave.
        return room_at if room_at - window_s >= leaves else nextafter(room_at, inf)

    def forget(self, now: float) -> None:
        """What no window reaches any more."""
        del self._times[: bisect_right(self._times, now - DAY_S)]
