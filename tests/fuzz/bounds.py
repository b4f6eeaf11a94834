"""What one input may cost: CPU time, which a busy machine does not change, and memory."""

from __future__ import annotations

import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from resource import RUSAGE_SELF, getrusage
from types import FrameType

CPU_LIMIT_S = 1.0
MEMORY_LIMIT_BYTES = 16 * 2**20

Target = Callable[[bytes], None]


class Exceeded(BaseException):
    """An input cost too much. Not an Exception, so that no parser catches it."""


@contextmanager
def traced_memory() -> Iterator[None]:
    """Limits what is allocated meanwhile; exact, and slows allocations down several times."""
    tracemalloc.start()
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    _check_memory(peak_bytes)


@contextmanager
def peak_memory() -> Iterator[None]:
    """Limits by how much the process outgrows its size so far; free, for a process that only fuzzes."""
    before = getrusage(RUSAGE_SELF).ru_maxrss
    yield
    _check_memory((getrusage(RUSAGE_SELF).ru_maxrss - before) * 1024)


def bounded(
    target: Target, data: bytes, memory: Callable[[], AbstractContextManager[None]] = traced_memory
) -> None:
    """Run a target on one input. Raises `Exceeded`, or what the target raises: either is a finding."""
    with _cpu_limit(), memory():
        target(data)


@contextmanager
def _cpu_limit() -> Iterator[None]:
    previous = signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise Exceeded(f"more than {CPU_LIMIT_S} s of CPU time")


def _check_memory(used_bytes: int) -> None:
    if used_bytes > MEMORY_LIMIT_BYTES:
        raise Exceeded(f"{used_bytes} bytes of memory")
