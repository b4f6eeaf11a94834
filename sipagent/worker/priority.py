"""How a worker comes to its CPU time while others want it too: audio is due at its time, whatever else runs.

The loop's thread runs in real time (SCHED_RR, sched(7)) if it may, else with a better nice value if it may.
Other threads of the worker, such as the one that writes recordings, stay ordinary. So that no other process
starves, the control process above all, real time has its bounds: a thread that takes its core for MAX_SPIN_S
without a pause goes back to the ordinary scheduler at once (RLIMIT_RTTIME), one that takes MAX_SHARE of it at
the next look, and both until they take less than CALM_SHARE. The kernel keeps some percent of each core for
ordinary threads at any rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import time
from enum import StrEnum
from types import FrameType

from sipagent import logs

log = logs.get_logger(__name__)

NICENESS = -10
MAX_SPIN_S = 0.3
MAX_SHARE, CALM_SHARE = 0.8, 0.5
LOOK_EVERY_S = 1.0

_LOWEST_REAL_TIME = 1


class Standing(StrEnum):
    """How a thread is scheduled."""

    REAL_TIME = "real_time"
    NICE = "nice"
    ORDINARY = "ordinary"


class Priority:
    """That of the thread which makes it; later threads are ordinary. One per process: it takes a signal."""

    def __init__(self, max_spin_s: float = MAX_SPIN_S) -> None:
        _bound_spin(max_spin_s)
        signal.signal(signal.SIGXCPU, self._on_spin)
        self.best = self.standing = self._told = claim()

    def look(self, share: float) -> None:
        """`share` is how much of a core the thread took lately."""
        if self.standing is Standing.REAL_TIME and share > MAX_SHARE:
            self._step_down()
        if self.standing is not self.best and share < CALM_SHARE:
            self.standing = claim()
        if self.standing is not self._told:
            self._told = self.standing
            log.warning("worker_rescheduled", standing=self.standing, cpu_share=round(share, 2))

    async def guard(self) -> None:
        """Look every now and then, until cancelled."""
        log.info("worker_scheduled", standing=self.standing)
        at, used = time.monotonic(), time.thread_time()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            at_before, used_before = at, used
            at, used = time.monotonic(), time.thread_time()
            self.look((used - used_before) / (at - at_before))

    def _on_spin(self, signum: int, frame: FrameType | None) -> None:
        self._step_down()

    def _step_down(self) -> None:
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        self.standing = Standing.NICE


def claim(thread: int = 0) -> Standing:
    """Take the best that we are permitted, for this thread or for another, or a process's first, by its id:
    real time with root, CAP_SYS_NICE or RLIMIT_RTPRIO."""
    policy = os.sched_getscheduler(thread) | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(thread, policy, os.sched_getparam(thread))
    standing = Standing.ORDINARY
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, thread, NICENESS)
        standing = Standing.NICE
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_LOWEST_REAL_TIME))
        standing = Standing.REAL_TIME
    return standing


def _bound_spin(max_spin_s: float) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (round(max_spin_s * 1e6), hard))
