"""Telling the service manager how we are, and that we are, for as long as we run."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from sipagent import logs
from sipagent.service.notify import ServiceManager
from sipagent.service.vitals import Vitals

log = logs.get_logger(__name__)

LOOK_EVERY_S = 1.0
#: How long a part may be silent before the status says so, where no watchdog says how long.
PATIENCE_S = 10.0
#: While we stop we ask for so much more time, again and again until the deadline.
EXTENSION_S = 15.0


class ServiceReport:
    """Beats for the watchdog while the server lives. It runs on the control loop: that must turn, too."""

    def __init__(self, manager: ServiceManager, vitals: Callable[[], Vitals]) -> None:
        self._manager = manager
        self._vitals = vitals
        self._patience_s = manager.watchdog_s or PATIENCE_S
        self._status = ""
        self._beats = True
        self._looked_at = time.monotonic()
        self._stop_by = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Calls can be taken from now on."""
        self._manager.tell(READY=1)
        self._task = asyncio.create_task(self._run(), name="service report")

    def reloading(self) -> None:
        """The configuration is being read again; `reloaded` follows."""
        self._manager.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)

    def reloaded(self) -> None:
        self._manager.tell(READY=1)

    def stopping(self, within_s: float) -> None:
        """No more calls are taken; those that are on have so long."""
        self._stop_by = time.monotonic() + within_s
        self._manager.tell(STOPPING=1, EXTEND_TIMEOUT_USEC=round(EXTENSION_S * 1e6))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            self._tell(time.monotonic())
            await asyncio.sleep(min(LOOK_EVERY_S, self._patience_s / 3))

    def _tell(self, now: float) -> None:
        vitals = self._vitals()
        if self._manager.watchdog_s is not None:
            self._beat(vitals, now)
        if now < self._stop_by:
            self._manager.tell(EXTEND_TIMEOUT_USEC=round(EXTENSION_S * 1e6))
        status = vitals.status(now, self._patience_s)
        if status != self._status:
            self._status = status
            self._manager.tell(STATUS=status)

    def _beat(self, vitals: Vitals, now: float) -> None:
        # Who has just stood still itself has not listened either: what it missed waits to be read.
        was_away = now - self._looked_at > self._patience_s / 2
        self._looked_at = now
        lives = was_away or vitals.is_alive(now, self._patience_s)
        if lives:
            self._manager.tell(WATCHDOG=1)
        elif self._beats:
            log.error("watchdog_not_fed", silent=vitals.silent_parts(now, self._patience_s))
        self._beats = lives
