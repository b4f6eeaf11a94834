"""Things a simulated session will do later. Time is an argument."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[float], None]


class Agenda:
    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Action]] = []
        self._numbers = count()

    def add(self, due: float, action: Action) -> None:
        """`action` gets the time it was due. Equal times keep their order."""
        heapq.heappush(self._entries, (due, next(self._numbers), action))

    def run(self, now: float) -> None:
        while self._entries and self._entries[0][0] <= now:
            due, _, action = heapq.heappop(self._entries)
            action(due)

    def next_timer(self) -> float | None:
        return self._entries[0][0] if self._entries else None
