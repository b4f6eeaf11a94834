"""The thread that keeps the database of calls: fed from the spool, and purged once a day.

No call waits for it, and it waits for nobody: while the database is down the spool grows, and what is there
then goes in when it is back.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from sipagent import logs
from sipagent.call_log.database import Database, DatabaseDown
from sipagent.call_log.purge import Purged, purge_files, purge_records
from sipagent.call_log.tail import Backlog, new_records, spool_id
from sipagent.config import Config

log = logs.get_logger(__name__)

LOOK_EVERY_S = 0.5
ASK_EVERY_S = 10.0
RETRY_MIN_S, RETRY_MAX_S = 1.0, 30.0
STOP_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Feed:
    """How the database is fed. `lag_records` are in the spool and not in it; none is known to be there
    before it has been reached once."""

    is_up: bool
    lag_records: int


class CallLogKeeper:
    """Started once, stopped once. `observe` and `on_reached` are called from its thread: `observe` whenever
    it has looked, `on_reached` the first time that the database could be used."""

    def __init__(
        self,
        config: Config,
        database: Database,
        observe: Callable[[Feed], None],
        on_reached: Callable[[Database], None] = lambda database: None,
    ) -> None:
        self._config = config
        self._database = database
        self._observe = observe
        self._on_reached = on_reached
        self._directory = config.storage.spool
        self._backlog = Backlog(self._directory)
        self._positions: dict[str, int] = {}
        self._spool = ""
        self._is_reached = self._was_reached = False
        self._heard_at = 0.0
        self._failures = 0
        self._purged_files_on: date | None = None
        self._purged_records_on: date | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="call log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Feed what is left if the database is there, and end; after `STOP_PATIENCE_S` without us."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_PATIENCE_S)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.is_set()
            try:
                pause_s = self._pass()
            except Exception:  # the thread's edge: a defect must not end the feeding for good
                log.exception("call_log_keeper_failed")
                pause_s = RETRY_MAX_S
            self._stopping.wait(pause_s)

    def _pass(self) -> float:
        """Feed and purge; returns after how many seconds to do so again."""
        today = datetime.now(UTC).date()
        try:
            if self._purged_files_on != today:
                self._purged_files_on = today
                _tell(purge_files(self._config, today))
            self._feed()
            if self._purged_records_on != today:
                _tell(purge_records(self._config, self._database, self._spool, today))
                self._purged_records_on = today
            lag = self._backlog.count(self._positions)
        except (DatabaseDown, OSError) as error:
            return self._failed(error)
        if self._failures:
            log.info("call_log_database_up", failures=self._failures)
        self._failures = 0
        self._observe(Feed(True, lag))
        return LOOK_EVERY_S

    def _feed(self) -> None:
        self._reach()
        for batch in new_records(self._directory, self._positions):
            self._database.store(self._spool, batch, self._keep_refused)
            self._positions[batch.file] = batch.position
            self._heard_at = time.monotonic()

    def _reach(self) -> None:
        """Ask the database where it stands: at first, after every failure (it may be another one now, or an
        old copy), and from time to time to see that it is there."""
        if not self._is_reached:
            self._database.migrate()
            self._spool = spool_id(self._directory)
        elif time.monotonic() < self._heard_at + ASK_EVERY_S:
            return
        self._positions = self._database.positions(self._spool)
        self._is_reached, self._heard_at = True, time.monotonic()
        if not self._was_reached:
            self._on_reached(self._database)
            self._was_reached = True

    def _keep_refused(self, record: dict[str, Any]) -> None:
        """Beside the spool, whose files go once they are fed."""
        with open(self._directory / "refused.jsonl", "ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _failed(self, error: Exception) -> float:
        self._is_reached = False
        self._failures += 1
        retry_s = min(RETRY_MIN_S * 2.0 ** min(self._failures - 1, 10), RETRY_MAX_S)
        log.warning("call_log_database_down", error=str(error), failures=self._failures, retry_s=retry_s)
        try:
            lag = self._backlog.count(self._positions)
        except OSError as unreadable:
            log.warning("spool_unreadable", error=str(unreadable))
            lag = 0
        self._observe(Feed(False, lag))
        return retry_s


def _tell(purged: Purged) -> None:
    if purged.files or purged.records:
        log.info("purged", records=purged.records, **purged.files)
