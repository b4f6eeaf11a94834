"""A circuit breaker: a tool that keeps failing is left alone for a while, then tried once. Pure."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from sipagent.config.tools import BreakerConfig


class BreakerState(StrEnum):
    CLOSED = "closed"  # calls go through
    OPEN = "open"  # they are answered at once, with an error
    HALF_OPEN = "half_open"  # one may try it; what comes of it decides


class Breaker:
    """`now` is monotonic seconds. After an `allow` that says yes comes `succeeded`, `failed` or `unsure`."""

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._failures_in_a_row = 0
        self._latest: deque[bool] = deque(maxlen=config.window)
        self._open_until: float | None = None
        self._is_tried = False

    @property
    def is_closed(self) -> bool:
        return self._open_until is None

    def state(self, now: float) -> BreakerState:
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._open_until else BreakerState.HALF_OPEN

    def allow(self, now: float) -> bool:
        """May it be called? While half open, only by the first who asks."""
        state = self.state(now)
        if state is BreakerState.HALF_OPEN and not self._is_tried:
            self._is_tried = True
            return True
        return state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """It works. What was under way while it was taken for down counts as well."""
        self._failures_in_a_row = 0
        if self._open_until is not None:
            self._latest.clear()
        self._latest.append(True)
        self._open_until = None
        self._is_tried = False

    def failed(self, now: float) -> None:
        self._failures_in_a_row += 1
        self._latest.append(False)
        if self._open_until is None and not self._is_too_much():
            return
        self._open_until = now + self._config.open_s
        self._is_tried = False

    def unsure(self) -> None:
        """It was not tried after all, or nobody waited for the outcome."""
        self._is_tried = False

    def _is_too_much(self) -> bool:
        if self._failures_in_a_row >= self._config.failures:
            return True
        failures = self._latest.count(False)
        return len(self._latest) == self._config.window and failures > self._config.failure_rate * len(
            self._latest
        )
