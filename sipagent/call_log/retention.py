"""What policy wants deleted: found first, so that it can be shown, then deleted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sipagent.call_log.tail import spool_files
from sipagent.config import Config

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Expired:
    """A day's directory below `kind`, or a day's spool file, that is too old to be kept."""

    kind: str
    path: Path

    @property
    def files(self) -> int:
        return sum(1 for each in self.path.rglob("*") if each.is_file()) if self.path.is_dir() else 1

    def delete(self) -> None:
        """Raises OSError. What is gone already is no error."""
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def expired_files(config: Config, today: date) -> Iterator[Expired]:
    """Days of recordings, transcripts and ladders whose time is over."""
    storage, retention = config.storage, config.retention
    kinds = {
        "recordings": (storage.recordings, retention.recordings_days),
        "transcripts": (storage.transcripts, retention.transcripts_days),
        "ladders": (storage.ladders, retention.ladders_days),
    }
    for kind, (directory, days) in kinds.items():
        if days is not None and directory.is_dir():
            for path in _days_before(directory.iterdir(), first_day_kept(today, days)):
                yield Expired(kind, path)


def expired_spool(config: Config, positions: Mapping[str, int], today: date) -> Iterator[Expired]:
    """Spool files that are old enough, and whose every byte is in the database.

    Records that are not to be kept so long as `spool_days` take their spool files with them.
    """
    days = min(filter(None, (config.call_log.spool_days, config.retention.records_days)))
    for path in _days_before(spool_files(config.storage.spool), first_day_kept(today, days)):
        if positions.get(path.name, 0) >= path.stat().st_size:
            yield Expired("spool", path)


def records_cutoff(config: Config, today: date) -> datetime | None:
    """Calls received before this are to be deleted from the database; None if none are."""
    days = config.retention.records_days
    return None if days is None else datetime.combine(first_day_kept(today, days), time(), UTC)


def first_day_kept(today: date, days: int) -> date:
    """What is of an earlier day is more than `days` days old, whatever its hour."""
    return today - timedelta(days=days)


def _days_before(paths: Iterable[Path], first_kept: date) -> Iterator[Path]:
    """Those named after a day before this one, `calls-2026-03-01.jsonl` or `2026-03-01`."""
    for path in sorted(paths):
        day = _DAY.search(path.name)
        if day is not None and _is_before(day[0], first_kept):
            yield path


def _is_before(day: str, first_kept: date) -> bool:
    try:
        return date.fromisoformat(day) < first_kept
    except ValueError:
        return False
