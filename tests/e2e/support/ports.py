"""Ports that are free on this machine, below the range that the kernel hands out by itself."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections import deque
from collections.abc import Sequence
from pathlib import Path

ALL = range(10_000, 30_000)


def share(worker: str, workers: int) -> range:
    """The ports of one of pytest-xdist's workers, `gw0`, `gw1` and so on; without them all ports."""
    size = len(ALL) // workers & ~1
    number = int(worker.removeprefix("gw") or 0)
    return ALL[number * size :][:size]


OURS = share(os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))

# A port is given long before its user binds it: nobody else gets it meanwhile.
_lately_given: deque[int] = deque(maxlen=2_000)


def free_port(host: str = "127.0.0.1") -> int:
    """Free for UDP and TCP."""
    return free_ports(1, host)[0]


def free_ports(count: int, host: str = "127.0.0.1") -> Sequence[int]:
    """A run of `count` ports, the first of them even, free for UDP and TCP and given to nobody lately."""
    for _ in range(1000):
        first = random.randrange(OURS.start, OURS.stop - count, 2)
        run = range(first, first + count)
        if not any(port in _lately_given or not _is_free(host, port) for port in run):
            _lately_given.extend(run)
            return run
    raise AssertionError(f"no run of {count} free ports between {OURS.start} and {OURS.stop}")


def is_bound(port: int) -> bool:
    """Does anybody listen to UDP there, in IPv4, whoever that is?"""
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") for row in rows)


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tcp, udp = socket.socket(family), socket.socket(family, socket.SOCK_DGRAM)
    with tcp, udp, contextlib.suppress(OSError):
        tcp.bind((host, port))
        udp.bind((host, port))
        return True
    return False
