"""Counts failures to authenticate by where they come from. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque

MOST_FAILURES, WINDOW_S = 10, 60.0
#: Of so many sources failures are remembered; the one that was silent longest is forgotten first.
MOST_SOURCES = 1000


class Failures:
    """`now` is CLOCK_MONOTONIC in seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, source: str, now: float) -> None:
        times = self._failures.setdefault(source, deque(maxlen=MOST_FAILURES))
        times.append(now)
        self._failures.move_to_end(source)
        if len(self._failures) > MOST_SOURCES:
            self._failures.popitem(last=False)

    def wait_s(self, source: str, now: float) -> float:
        """How long this source has to wait before it may fail again; 0 if it may."""
        times = self._failures.get(source, ())
        recent = [at for at in times if at > now - WINDOW_S]
        return recent[0] + WINDOW_S - now if len(recent) >= MOST_FAILURES else 0.0
