"""Carrying out retention: by the server every day, by `sipagent calls purge` when asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from sipagent import logs
from sipagent.call_log.database import Database
from sipagent.call_log.retention import Expired, expired_files, expired_spool, records_cutoff
from sipagent.config import Config

log = logs.get_logger(__name__)


@dataclass(slots=True)
class Purged:
    """What was deleted, or would be: files by kind, and rows of the database."""

    files: dict[str, int] = field(default_factory=dict)
    records: int = 0


def purge_files(config: Config, today: date, *, dry_run: bool = False) -> Purged:
    """Delete recordings, transcripts and ladders that are too old. Needs no database."""
    purged = Purged()
    _delete(expired_files(config, today), purged, dry_run)
    return purged


def purge_records(
    config: Config, database: Database, spool: str, today: date, *, dry_run: bool = False
) -> Purged:
    """Delete calls and spool files that are too old. Raises `DatabaseDown`."""
    purged = Purged()
    spooled = list(expired_spool(config, database.positions(spool), today))
    _delete(spooled, purged, dry_run)
    if not dry_run:
        for gone in spooled:
            database.forget_file(spool, gone.path.name)
    cutoff = records_cutoff(config, today)
    if cutoff is not None:
        purged.records = database.count_before(cutoff) if dry_run else database.delete_before(cutoff)
    return purged


def _delete(expired: Iterable[Expired], purged: Purged, dry_run: bool) -> None:
    for each in expired:
        purged.files[each.kind] = purged.files.get(each.kind, 0) + each.files
        if not dry_run:
            try:
                each.delete()
            except OSError as error:
                log.warning("purge_failed", path=str(each.path), error=str(error))
