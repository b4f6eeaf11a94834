"""What the server carries now: who holds a permit, and what the rates still allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sipagent.call.question import Load
from sipagent.call.rates import CallRates
from sipagent.config import Config


class CallLoad:
    """Counts admitted calls. Its one writer is the control loop."""

    def __init__(self, config: Config, now: float) -> None:
        self.draining = False
        self._by_trunk: Counter[str] = Counter()
        self._rates = CallRates.full(config, now)

    @property
    def calls(self) -> int:
        return self._by_trunk.total()

    def snapshot(self) -> Load:
        return Load(self.calls, dict(self._by_trunk), self.draining, self._rates)

    @contextmanager
    def permit(self, trunk: str, now: float) -> Iterator[None]:
        """Held by an admitted call for as long as it lives."""
        self._rates = self._rates.after_call(trunk, now)
        self._by_trunk[trunk] += 1
        try:
            yield
        finally:
            self._by_trunk[trunk] -= 1
