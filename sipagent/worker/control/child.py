"""A media worker as the control process has it: the process, its channel, what it last said, its legs."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sipagent.worker.channel import Channel
from sipagent.worker.control.handle import LegHandle
from sipagent.worker.control.vigil import Doing
from sipagent.worker.reports import ToControl, WorkerReport

WORKER = "sipagent.worker"
ALONE = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy makes its products on the thread that wants them: in real time that would spin until an ordinary one
had done its half."""


@dataclass(eq=False)
class WorkerProcess:
    """A running worker and the legs it carries. `ready_at` orders workers by when they came up."""

    number: int
    process: subprocess.Popen[bytes]
    channel: Channel | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    ready_at: float = 0.0
    report: WorkerReport | None = None
    reported_at: float = 0.0
    cpu_share: float | None = None
    heard_at: float = field(default_factory=time.monotonic)
    legs: dict[str, LegHandle] = field(default_factory=dict)

    def take(self, report: WorkerReport, now: float) -> None:
        """Take in a report, and what share of a core the worker has used since the one before."""
        before, elapsed_s = self.report, now - self.reported_at
        if before is not None and elapsed_s > 0:
            self.cpu_share = min(1.0, max(0.0, (report.cpu_s - before.cpu_s) / elapsed_s))
        self.report, self.reported_at = report, now

    def doing(self) -> Doing:
        """What it does now, as far as the system says; of a process that is no more, nothing."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return Doing("X", 0.0)
        return Doing(fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))


def spawn(
    number: int, logging: str, receive: Callable[[WorkerProcess, ToControl, list[int]], None]
) -> WorkerProcess:
    """Start a worker; `logging` is that section of the configuration as JSON. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", WORKER, str(theirs.fileno()), str(number), logging],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            env={**os.environ, **ALONE},
            process_group=0,
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    worker = WorkerProcess(number, process)
    worker.channel = Channel(ours, ToControl, partial(receive, worker), worker.gone.set)
    return worker
