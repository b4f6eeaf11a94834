"""The spool: JSON-lines files appended and fsync'd, and small marker files, all written by one thread.

Many lines share one fsync. If the disk refuses, jobs wait in memory and are tried again, so a full or
read-only disk delays nobody and loses nothing while the process lives.

Files are named by `str`: a `Path` interns its parts, and each call has names of its own, which would make the
interpreter's table of interned strings grow with the number of calls.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from sipagent import logs

log = logs.get_logger(__name__)

RETRY_S = 1.0
#: Of a file that is written anew: SIGKILL can't tear what goes into one page at once.
PAGE_BYTES = 4096

_LINES = msgspec.json.Encoder()


class SpoolClosed(Exception):
    """Nothing is written any more."""


class Job(msgspec.Struct, frozen=True):
    """One write below the spool's directory; `done` is set when it is on disk."""

    kind: Literal["append", "note", "put", "remove"]
    name: str
    data: bytes = b""
    done: Future[None] = msgspec.field(default_factory=Future)


class Spool:
    """Writes below one directory. Lines of one file keep their order, and so do puts and removes."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError if the directory can't be made."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._prefix = f"{directory}/"
        self._pending: deque[Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def append(self, name: str, value: Any) -> Future[None]:
        """Append `value` as one line of file `name`, fsync'd before the future is done."""
        return self._submit(Job("append", name, msgspec.json.encode(value) + b"\n"))

    def note(self, name: str, values: Iterable[Any]) -> Future[None]:
        """Append a line for each value, without fsync: safe from this process's death, not the machine's."""
        return self._submit(Job("note", name, _LINES.encode_lines(values)))

    def put(self, name: str, value: Any) -> Future[None]:
        """Write `value` as the first line of file `name`, for `first_line`: safe from this process's death,
        not the machine's."""
        return self._submit(Job("put", name, msgspec.json.encode(value) + b"\n"))

    def remove(self, name: str) -> Future[None]:
        return self._submit(Job("remove", name))

    def close(self) -> None:
        """Write what waits, then end the thread. If the disk refuses even now, what waits is lost.

        What comes after that is refused: its future fails.
        """
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if self._pending:
            log.error("spool_jobs_lost", jobs=len(self._pending), directory=str(self.directory))

    def _submit(self, job: Job) -> Future[None]:
        job.done.set_running_or_notify_cancel()  # whoever stops waiting must not stop the writing
        with self._wake:
            if self._closing:
                job.done.set_exception(SpoolClosed(f"{job.name} can't be written any more"))
            else:
                self._pending.append(job)
                self._wake.notify()
        return job.done

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closing)
                batch = list(self._pending)
                self._pending.clear()
            unwritten = self._write(batch)
            with self._wake:
                self._pending.extendleft(reversed(unwritten))
                if self._closing and (unwritten or not self._pending):
                    return
                if unwritten:
                    self._wake.wait_for(lambda: self._closing, RETRY_S)

    def _write(self, batch: list[Job]) -> list[Job]:
        """Do a batch of jobs, one fsync a file. Returns those that could not be done."""
        appends: dict[str, list[Job]] = {}
        unwritten: list[Job] = []
        for job in batch:
            if job.kind in ("append", "note"):
                appends.setdefault(job.name, []).append(job)
            elif job.kind == "put":
                self._attempt([job], partial(begin_with, self._prefix + job.name, job.data), unwritten)
            else:
                self._attempt([job], partial(remove, self._prefix + job.name), unwritten)
        for name, jobs in appends.items():
            data = b"".join(job.data for job in jobs)
            durably = any(job.kind == "append" for job in jobs)
            self._attempt(jobs, partial(append, self._prefix + name, data, durably), unwritten)
        return unwritten

    def _attempt(self, jobs: list[Job], write: Callable[[], None], unwritten: list[Job]) -> None:
        try:
            write()
        except OSError as error:
            if not self._failing:
                log.error("spool_write_failed", error=str(error), path=self._prefix + jobs[0].name)
            self._failing = True
            unwritten += jobs
            return
        self._failing = False
        for job in jobs:
            job.done.set_result(None)


def append(path: str, data: bytes, durably: bool = True) -> None:
    """Append all of `data`, and fsync if `durably`, or leave the file as it was and raise OSError.

    A last line that a crash tore gets its end first, so that it spoils no line but itself.
    """
    fd = in_directory(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640))
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            written = os.write(fd, data)
            if written < len(data):
                raise OSError(f"only {written} of {len(data)} bytes written to {os.path.basename(path)}")
            if durably:
                os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)


def begin_with(path: str, line: bytes) -> None:
    """Have a file begin with `line`, whole or not at all. What it had after that may be there still.

    What is longer than a page is made another file in its place, which has the file system make one and
    delete one.
    """
    if len(line) > PAGE_BYTES:
        replace(path, line)
        return
    fd = in_directory(path, lambda: os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    try:
        if (written := os.write(fd, line)) < len(line):
            raise OSError(f"only {written} of {len(line)} bytes written to {os.path.basename(path)}")
    finally:
        os.close(fd)


def replace(path: str, data: bytes) -> None:
    """Write a file whole or not at all."""
    unfinished = path + ".part"
    fd = in_directory(path, lambda: os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666))
    with open(fd, "wb") as file:
        file.write(data)
    os.replace(unfinished, path)


def remove(path: str) -> None:
    """Have no such file."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def in_directory(path: str, opened: Callable[[], int]) -> int:
    """Open it; if the directory of `path` is missing, which is seldom, make that first."""
    try:
        return opened()
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return opened()


def first_line(path: Path) -> bytes:
    """What was put there last."""
    return path.read_bytes().partition(b"\n")[0]


def read_lines(path: Path, on_bad: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """The values of a JSON-lines file. A line that can't be read (a crash tore it) is told and skipped."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                value = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError:
                on_bad(number)
                continue
            yield value
