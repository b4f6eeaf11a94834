"""The one clock of a worker: a 20 ms tick, split into sub-ticks so that legs don't send in one burst."""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_right
from collections.abc import Callable

from rtp.pacer import Pacer
from sipagent import logs
from sipagent.worker.reports import LATE_BOUNDS_S

FRAME_MS = 20
SUB_TICKS = 4
#: What a leg may send at once after a stall, one tick apart otherwise.
MAX_CATCH_UP_FRAMES = 3

Tick = Callable[[float, float], None]
OnFailure = Callable[[Exception], None]

log = logs.get_logger(__name__)


class Ticker:
    """Calls each registered `tick(now, late_s)` once per 20 ms, on an absolute schedule.

    Legs are spread over `SUB_TICKS` slots. After a stall the pacer allows a bounded catch-up and skips the
    rest, so no leg ever sends more than that in one go. A tick that raises is removed, and its `on_failure`
    called: one leg's defect must not silence the others. Without legs the clock stands still: a worker that
    has nothing to do isn't woken 200 times a second.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[dict[Tick, OnFailure]] = [{} for _ in range(SUB_TICKS)]
        self._pacer = Pacer(0.0, FRAME_MS / SUB_TICKS, MAX_CATCH_UP_FRAMES * SUB_TICKS)
        self._next_slot = 0
        self._handle: asyncio.TimerHandle | None = None
        self.ticks = 0
        self.late_buckets = [0] * (len(LATE_BOUNDS_S) + 1)
        self.late_sum_s = 0.0

    @property
    def skipped(self) -> int:
        return self._pacer.skipped

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def add(self, tick: Tick, on_failure: OnFailure) -> None:
        """Register in the slot with the fewest members."""
        min(self._slots, key=len)[tick] = on_failure
        if self._handle is None:
            self._start()

    def remove(self, tick: Tick) -> None:
        """Does nothing if it isn't registered."""
        for slot in self._slots:
            slot.pop(tick, None)

    def _start(self) -> None:
        # uvloop's timers fire at whole milliseconds. What is due between two is woken too early, and over and
        # over again until it is due.
        self._pacer.restart(math.ceil(time.monotonic() * 1000) / 1000)
        self._next_slot = 0
        self._handle = self._loop.call_at(self._pacer.next_due, self._run)

    def _run(self) -> None:
        now = time.monotonic()
        late_s = now - self._pacer.next_due
        self._observe(late_s)
        skipped_before = self._pacer.skipped
        due = self._pacer.due(now)
        # A sub-tick that is given up takes its slot along: legs keep their phase.
        self._next_slot = (self._next_slot + self._pacer.skipped - skipped_before) % SUB_TICKS
        for _ in range(due):
            slot = self._slots[self._next_slot]
            self._next_slot = (self._next_slot + 1) % SUB_TICKS
            for tick, on_failure in tuple(slot.items()):
                try:
                    tick(now, late_s)
                except Exception as error:  # the worker loop's edge
                    log.exception("tick_failed")
                    slot.pop(tick, None)
                    on_failure(error)
        self._handle = self._loop.call_at(self._pacer.next_due, self._run) if any(self._slots) else None

    def _observe(self, late_s: float) -> None:
        self.ticks += 1
        self.late_sum_s += late_s
        self.late_buckets[bisect_right(LATE_BOUNDS_S, late_s)] += 1
