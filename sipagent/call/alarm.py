"""The next moment at which a call has something to do by the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class TimeIsUp:
    """Something may be due by the clock."""


class Alarm:
    """Rings at the time it was set to last, or a little before. To set it to the same again costs nothing."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float | None) -> None:
        """To a time by CLOCK_MONOTONIC, or to none."""
        if due == self._due:
            return
        self.close()
        if due is not None:
            delay_s = max(0.0, due - time.monotonic())
            self._due, self._timer = due, asyncio.get_running_loop().call_later(delay_s, self._go_off)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._timer = None

    def _go_off(self) -> None:
        self._due = self._timer = None
        self._ring()
