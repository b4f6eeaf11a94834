"""SQLite files that outlive the process, SIGKILL included."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Engine, MetaData, StaticPool, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from sipagent import logs

log = logs.get_logger(__name__)

#: How long another process's transaction is waited for, in seconds.
PATIENCE_S = 5


class Opened(NamedTuple):
    """`is_new`: nothing of an earlier process is in it."""

    engine: Engine
    is_new: bool


def open_file(path: Path | None, tables: MetaData, *, survives_power_cuts: bool = False) -> Opened:
    """Opens, or makes, the file with its tables; None is memory, which survives nothing.

    A commit is safe from this process's death. A power cut may cost the last of them, all of each, unless it
    is to survive that as well, which has every commit wait for the disk. A damaged file is put aside, and
    what it held is lost. Raises OSError or `sqlalchemy.exc.OperationalError` besides.
    """
    synchronous = "FULL" if survives_power_cuts else "NORMAL"
    if path is None:
        return Opened(_engine(":memory:", tables, synchronous), is_new=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    try:
        return Opened(_engine(str(path), tables, synchronous), is_new)
    except OperationalError:
        raise
    except DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
        os.replace(path, aside)
        log.error("sqlite_file_damaged", file=path.name, error=str(error.orig), kept_as=aside.name)
        return Opened(_engine(str(path), tables, synchronous), is_new=True)


def _engine(database: str, tables: MetaData, synchronous: str) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=database),
        poolclass=StaticPool,
        connect_args={"timeout": PATIENCE_S, "check_same_thread": False},
    )

    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")

    event.listen(engine, "connect", configure)
    tables.create_all(engine)
    return engine
