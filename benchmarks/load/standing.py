"""Who waits where the machine is full: the server, and not those that stand for other machines."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from sipagent.worker.priority import NICENESS


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


def _set(pid: int, niceness: int) -> None:
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
