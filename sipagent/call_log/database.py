"""The database of calls: opened by URL, brought to its newest shape, written by the feeder, read by all.

A connection lives for one transaction. So nothing is held while no call ends, and nothing can go stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    Table,
    create_engine,
    delete,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, SQLAlchemyError

from sipagent import logs
from sipagent.call_log.rows import row_of
from sipagent.call_log.schema import calls, feed_positions, metadata
from sipagent.call_log.tail import Batch
from sipagent.config import Config, Secret
from sipagent.errors import ConfigError, SipAgentError

log = logs.get_logger(__name__)

#: How long one statement, or the wait for another process's transaction, may take.
PATIENCE_S = 30
CONNECT_TIMEOUT_S = 5
#: A connection whose peer has vanished is given up after so long.
TCP_TIMEOUT_MS = 15_000
#: "sipagent": what processes that migrate the same PostgreSQL wait for each other by.
MIGRATION_LOCK = 0x7369706167656E74
MIGRATIONS = "sipagent.call_log:migrations"
#: Both have ON CONFLICT DO UPDATE, by the same methods.
INSERTS: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class DatabaseDown(SipAgentError):
    """The database can't be reached, or refuses. Says why, without its address or secrets."""


class NoCallLog(SipAgentError):
    """The database is there, but no server has written calls to it yet."""


def database_url(config: Config) -> URL:
    """Where the calls of this configuration are. Raises `ConfigError`."""
    url = config.call_log.url
    if url is None:
        return URL.create("sqlite", database=str(config.storage.calls_database))
    try:
        parsed = make_url(url.resolve() if isinstance(url, Secret) else url)
    except ArgumentError:
        raise ConfigError(["call_log.url: is not the URL of a database"]) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(["call_log.url: must begin with postgresql:// or sqlite:///"])
    return parsed


class Database:
    """All methods wait for the database, and raise `DatabaseDown` when it is no use."""

    def __init__(self, url: URL) -> None:
        self._engine = _engine(url)
        self._reader = self._engine.execution_options(reading=True)
        self._file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
        insert = INSERTS[url.get_backend_name()]
        # Made once: each holds its columns in circles of references.
        self._upsert_call = _upsert(insert, calls, ("call_id",))
        self._upsert_position = _upsert(insert, feed_positions, ("spool", "file"))

    def migrate(self) -> None:
        """Bring the tables to their newest shape. Processes that do so together wait for each other."""
        with self._transaction() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            upgrade(connection)

    def require_calls(self) -> None:
        """Raises `NoCallLog` unless the tables are there."""
        if self._file is not None and not self._file.exists():  # to open it would make it
            raise NoCallLog(f"there is no {self._file}: no server has run with it yet")
        with self._transaction(self._reader) as connection:
            if not inspect(connection).has_table(calls.name):
                raise NoCallLog("the database has no calls table: no server has run with it yet")

    def positions(self, spool: str) -> dict[str, int]:
        """How far each file of a spool has been stored."""
        wanted = select(feed_positions.c.file, feed_positions.c.position).where(
            feed_positions.c.spool == spool
        )
        with self._transaction(self._reader) as connection:
            return {row.file: row.position for row in connection.execute(wanted)}

    def store(self, spool: str, batch: Batch, on_refused: Callable[[dict[str, Any]], None]) -> None:
        """Write records, each over what is there of the same call, and the position after them: all or none.

        A record that the database refuses for what is in it is logged, given to `on_refused`, and left out.
        """
        rows = [row for record in batch.records if (row := row_of(record)) is not None]
        try:
            self._store(spool, batch, rows)
        except DataError:
            taken = [row for row in rows if self._is_taken(row)]
            for row in rows:
                if row not in taken:
                    on_refused(row["record"])
            self._store(spool, batch, taken)

    def forget_file(self, spool: str, file: str) -> None:
        """A spool file is gone."""
        where = (feed_positions.c.spool == spool) & (feed_positions.c.file == file)
        with self._transaction() as connection:
            connection.execute(delete(feed_positions).where(where))

    def delete_before(self, moment: datetime) -> int:
        """Delete the calls received before `moment`; how many those were."""
        with self._transaction() as connection:
            return connection.execute(delete(calls).where(calls.c.received_at < moment)).rowcount

    def count_before(self, moment: datetime) -> int:
        with self._transaction(self._reader) as connection:
            counted = select(func.count()).select_from(calls).where(calls.c.received_at < moment)
            return int(connection.execute(counted).scalar_one())

    def spent(self, since: datetime, until: datetime, currency: str) -> list[tuple[str, str, Decimal]]:
        """Agent, trunk, and what their calls cost that ended in this time."""
        cost = func.sum(calls.c.cost)
        wanted = (
            select(func.coalesce(calls.c.agent, ""), func.coalesce(calls.c.trunk, ""), cost)
            .where(calls.c.ended_at >= since, calls.c.ended_at < until, calls.c.currency == currency)
            .group_by(calls.c.agent, calls.c.trunk)
        )
        with self._transaction(self._reader) as connection:
            return [(agent, trunk, Decimal(total)) for agent, trunk, total in connection.execute(wanted)]

    def records(self, wanted: Any) -> Sequence[dict[str, Any]]:
        """The records that a select of `calls.c.record` names."""
        with self._transaction(self._reader) as connection:
            return list(connection.execute(wanted).scalars())

    def _store(self, spool: str, batch: Batch, rows: Sequence[dict[str, Any]]) -> None:
        here = {"spool": spool, "file": batch.file, "position": batch.position}
        with self._transaction() as connection:
            if rows:
                connection.execute(self._upsert_call, rows)
            connection.execute(self._upsert_position, here)

    def _is_taken(self, row: dict[str, Any]) -> bool:
        """Would the database take this row by itself?"""
        try:
            with self._transaction() as connection:
                connection.execute(self._upsert_call, row)
        except DataError as error:
            log.error("call_log_record_refused", call_id=row["call_id"], error=_cause(error))
            return False
        return True

    @contextmanager
    def _transaction(self, engine: Engine | None = None) -> Iterator[Connection]:
        try:
            with (engine or self._engine).begin() as connection:
                yield connection
        except DataError:
            raise
        except DBAPIError as error:
            raise DatabaseDown(_cause(error)) from None
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseDown(str(error)) from None


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that are missing, in the connection's transaction."""
    settings = AlembicConfig()
    settings.set_main_option("script_location", MIGRATIONS)
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": PATIENCE_S})
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin)
        return engine
    settings = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "sipagent",
        "keepalives_idle": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": TCP_TIMEOUT_MS,
        "options": f"-c statement_timeout={PATIENCE_S}s",
    }
    return create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool, connect_args=settings)


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    """Python's sqlite3 would commit before a CREATE TABLE, and migrations are to be all or nothing."""
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    """Two who read first and write then would lock each other out; who only reads needs no right to write."""
    reading = connection.get_execution_options().get("reading", False)
    connection.execute(text("BEGIN" if reading else "BEGIN IMMEDIATE"))


def _upsert(insert: Any, table: Table, keys: Iterable[str]) -> Any:
    """A row of the table, in the place of one with the same keys if there is one."""
    statement = insert(table)
    others = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=others)


def _cause(error: DBAPIError) -> str:
    """The driver's own words, in one line. They name server and user, never a password."""
    return " ".join(str(error.orig).split())


__all__ = ["Database", "DatabaseDown", "NoCallLog", "database_url", "metadata", "upgrade"]
