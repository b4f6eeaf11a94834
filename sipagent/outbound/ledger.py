"""The dials that are not over, and who has how many. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sipagent.outbound.dial import Dial


class Ledger:
    """Each dial as it is now, found by its id or by the id of its call."""

    def __init__(self) -> None:
        self._waiting: dict[str, Dial] = {}
        self._on: dict[str, Dial] = {}
        self._by_call: dict[str, str] = {}
        self._untried: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._on)

    @property
    def waiting(self) -> Collection[Dial]:
        return self._waiting.values()

    @property
    def on(self) -> Collection[Dial]:
        """Those that have a call now."""
        return self._on.values()

    def get(self, dial_id: str) -> Dial | None:
        return self._waiting.get(dial_id) or self._on.get(dial_id)

    def of_call(self, call_id: str) -> Dial | None:
        dial_id = self._by_call.get(call_id)
        return None if dial_id is None else self._on.get(dial_id)

    def on_for(self, key: str) -> int:
        """How many calls are on that a token asked for."""
        return sum(dial.wish.key == key for dial in self._on.values())

    def untried_for(self, key: str) -> int:
        """How many dials of a token no call has been placed for."""
        return self._untried[key]

    def put(self, dial: Dial) -> None:
        """The dial as it is from now on. One that is over leaves."""
        self._remove(dial.dial_id)
        if dial.waits:
            self._waiting[dial.dial_id] = dial
            self._untried[dial.wish.key] += not dial.attempts
        elif dial.is_on:
            self._on[dial.dial_id] = dial
            if dial.last.call_id is not None:
                self._by_call[dial.last.call_id] = dial.dial_id

    def _remove(self, dial_id: str) -> None:
        waiting, on = self._waiting.pop(dial_id, None), self._on.pop(dial_id, None)
        if waiting is not None:
            self._untried[waiting.wish.key] -= not waiting.attempts
        if on is not None and on.last.call_id is not None:
            self._by_call.pop(on.last.call_id, None)
