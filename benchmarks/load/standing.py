"""Who waits where the machine is full: the server, and not those that stand for other machines."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

NICENESS = -10
_LOWEST_REAL_TIME = 1


@contextlib.contextmanager
def in_real_time(*pids: int) -> Iterator[None]:
    """These take turns with the server's media workers while the context lasts, if the system allows it."""
    with contextlib.ExitStack() as after:
        for pid in pids:
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(
                    pid, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_LOWEST_REAL_TIME)
                )
                after.callback(_be_ordinary, pid)
        yield


@contextlib.contextmanager
def ahead(*pids: int) -> Iterator[None]:
    """These go before all that is ordinary while the context lasts, and so do processes that they start
    meanwhile; if the system allows it."""
    before = {pid: os.getpriority(os.PRIO_PROCESS, pid) for pid in pids}
    for pid in pids:
        _set(pid, NICENESS)
    try:
        yield
    finally:
        for pid, niceness in before.items():
            _set(pid, niceness)


def _be_ordinary(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


def _set(pid: int, niceness: int) -> None:
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
