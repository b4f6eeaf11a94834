"""The spool as its reader sees it: which records have come since, file by file.

Every file has a position of its own: after a disk's refusal a line may still be added to yesterday's file
when today's has begun.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from sipagent import logs

log = logs.get_logger(__name__)

BATCH_RECORDS = 200
READ_BYTES = 2**14


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order of their file; `position` is where the next one will begin."""

    file: str
    position: int
    records: list[dict[str, Any]]


def spool_id(directory: Path) -> str:
    """The name of this spool in a database that several servers may share; made at first sight.

    Raises OSError.
    """
    path = directory / "id"
    try:
        if name := path.read_text().strip():
            return name
    except FileNotFoundError:
        pass
    partial = path.with_name("id.part")
    partial.write_text(uuid.uuid4().hex + "\n")
    os.replace(partial, path)
    return path.read_text().strip()


def spool_files(directory: Path) -> list[Path]:
    """The files of finished records, oldest day first."""
    return sorted(directory.glob("calls-*.jsonl"))


def day_of(path: Path) -> date | None:
    """The day of a spool file, in UTC; None if its name tells none."""
    try:
        return date.fromisoformat(path.stem.removeprefix("calls-"))
    except ValueError:
        return None


def new_records(directory: Path, positions: Mapping[str, int]) -> Iterator[Batch]:
    """All that has come after `positions` (files not in it are new), in batches.

    A last line without an end is still being written, or torn: it is left alone. A file that is shorter than
    its position, or has no line's end there, is not the file it was: it is read anew.
    """
    for path in spool_files(directory):
        if path.stat().st_size == positions.get(path.name, 0):
            continue
        with open(path, "rb") as file:
            position = _trusted(file.fileno(), positions.get(path.name, 0))
            file.seek(position)
            records: list[dict[str, Any]] = []
            for line in file:
                if not line.endswith(b"\n"):
                    break
                position += len(line)
                if (record := _decoded(line, path)) is not None:
                    records.append(record)
                if len(records) >= BATCH_RECORDS:
                    yield Batch(path.name, position, records)
                    records = []
            if position != positions.get(path.name, 0):
                yield Batch(path.name, position, records)


class Backlog:
    """Counts the records after a set of positions, reading nothing twice."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._counted: dict[str, tuple[int, int, int]] = {}

    def count(self, positions: Mapping[str, int]) -> int:
        """Raises OSError."""
        counted: dict[str, tuple[int, int, int]] = {}
        for path in spool_files(self._directory):
            position = positions.get(path.name, 0)
            start, read_to, lines = self._counted.get(path.name, (-1, 0, 0))
            if start != position:
                read_to, lines = position, 0
            more, read_to = _count_lines(path, read_to)
            counted[path.name] = (position, read_to, lines + more)
        self._counted = counted
        return sum(lines for _, _, lines in counted.values())


def _trusted(fd: int, position: int) -> int:
    return position if position == 0 or os.pread(fd, 1, position - 1) == b"\n" else 0


def _count_lines(path: Path, position: int) -> tuple[int, int]:
    """Line ends after `position`, and how far was read."""
    lines = 0
    with open(path, "rb") as file:
        file.seek(position)
        while block := file.read(READ_BYTES):
            lines += block.count(b"\n")
            position += len(block)
    return lines, position


def _decoded(line: bytes, path: Path) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        log.warning("spool_line_unreadable", file=path.name, size=len(line))
        return None
