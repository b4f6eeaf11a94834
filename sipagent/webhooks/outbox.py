"""Messages that wait for delivery, in SQLite: they survive SIGKILL, and so does how far the spool was read.

Of the messages of one endpoint and lane only the oldest has a time when it is due: the others wait for it.
All methods block, and belong on one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from sipagent.sqlite_files import open_file
from sipagent.webhooks.messages import Message

metadata = MetaData()
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("due_at", Float),
    Column("error", Text, nullable=False, default=""),
    UniqueConstraint("endpoint", "message_id"),
    Index("messages_lane", "endpoint", "lane", "id"),
    Index("messages_due", "endpoint", "due_at"),
    sqlite_autoincrement=True,
)
#: How far each spool file has been read.
positions = Table(
    "positions",
    metadata,
    Column("file", String, primary_key=True),
    Column("position", Integer, nullable=False),
)
#: Endpoints that said 410 Gone, with the URL that said so.
gone = Table(
    "gone",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("url", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that is due."""

    id: int
    message: Message
    created_at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one endpoint. `error` is what the oldest message met last."""

    messages: int = 0
    oldest_at: float | None = None
    attempts: int = 0
    error: str = ""


class Outbox:
    """Times are Unix times in seconds. Raises `sqlalchemy.exc.DBAPIError` where the disk refuses."""

    def __init__(self, path: Path | None) -> None:
        """Opens, or makes, the file; None is memory, which survives nothing.

        A damaged file is put aside, and what waited in it is lost. Raises OSError besides.
        """
        self._engine, self.is_new = open_file(path, metadata)

    def close(self) -> None:
        self._engine.dispose()

    # --- what comes in ------------------------------------------------------------------------------

    def read_to(self) -> dict[str, int]:
        """How far each spool file has been read."""
        with self._transaction() as connection:
            return {row.file: row.position for row in connection.execute(select(positions))}

    def add(
        self,
        now: float,
        told: Sequence[tuple[str, Message]],
        read_to: Mapping[str, int] | None = None,
    ) -> None:
        """Messages by endpoint, and how far the spool has been read for them: all or none.

        One that is there already stays as it is, and endpoints that are gone get none.
        """
        with self._transaction() as connection:
            departed = set(connection.execute(select(gone.c.endpoint)).scalars())
            for endpoint, message in told:
                if endpoint in departed:
                    continue
                row = {"endpoint": endpoint, "created_at": now, **_columns(message)}
                row["due_at"] = None if _has_lane(connection, endpoint, message.lane) else now
                connection.execute(insert(messages).values(row).on_conflict_do_nothing())
            for file, position in (read_to or {}).items():
                row = {"file": file, "position": position}
                written = insert(positions).values(row)
                connection.execute(written.on_conflict_do_update(index_elements=["file"], set_=row))

    def forget_files(self, kept: set[str]) -> None:
        """Spool files that are gone."""
        with self._transaction() as connection:
            connection.execute(delete(positions).where(positions.c.file.not_in(kept)))

    def trim(self, endpoint: str, most: int, now: float) -> int:
        """Drop the oldest messages above `most`; how many those were."""
        with self._transaction() as connection:
            surplus = max(0, _count(connection, endpoint) - most)
            if surplus:
                oldest = select(messages.c.id).where(messages.c.endpoint == endpoint)
                doomed = oldest.order_by(messages.c.id).limit(surplus).scalar_subquery()
                connection.execute(delete(messages).where(messages.c.id.in_(doomed)))
                _promote(connection, endpoint, now, messages.c.due_at.is_(None))
            return surplus

    # --- what goes out ------------------------------------------------------------------------------

    def lease(self, endpoint: str, now: float, most: int, until: float) -> list[Waiting]:
        """Messages that are due, of as many lanes. They are due again at `until`, unless they are settled."""
        wanted = (
            select(messages)
            .where(messages.c.endpoint == endpoint, messages.c.due_at <= now)
            .order_by(messages.c.due_at, messages.c.id)
            .limit(most)
        )
        with self._transaction() as connection:
            rows = connection.execute(wanted).all()
            if rows:
                ids = [row.id for row in rows]
                connection.execute(update(messages).where(messages.c.id.in_(ids)).values(due_at=until))
        return [Waiting(row.id, _message(row), row.created_at, row.attempts) for row in rows]

    def next_due(self, endpoint: str) -> float | None:
        with self._transaction() as connection:
            wanted = select(func.min(messages.c.due_at)).where(messages.c.endpoint == endpoint)
            due: float | None = connection.execute(wanted).scalar()
            return due

    def remove(self, endpoint: str, waiting: Waiting, now: float) -> None:
        """It needs no further attempt: the next one of its lane is due."""
        with self._transaction() as connection:
            connection.execute(delete(messages).where(messages.c.id == waiting.id))
            first = select(func.min(messages.c.id)).where(
                messages.c.endpoint == endpoint, messages.c.lane == waiting.message.lane
            )
            connection.execute(
                update(messages).where(messages.c.id == first.scalar_subquery()).values(due_at=now)
            )

    def postpone(self, waiting: Waiting, due_at: float, error: str) -> None:
        """An attempt has failed."""
        with self._transaction() as connection:
            values = {"due_at": due_at, "attempts": waiting.attempts + 1, "error": error}
            connection.execute(update(messages).where(messages.c.id == waiting.id).values(values))

    def release(self, now: float) -> None:
        """The oldest message of every lane is due now: after a start, or because somebody asked for it."""
        with self._transaction() as connection:
            for (endpoint,) in connection.execute(select(messages.c.endpoint).distinct()).all():
                _promote(connection, endpoint, now)

    def retry(self, endpoint: str, now: float) -> int:
        """What waits for an endpoint is due now, and one that was gone is back. How many messages wait."""
        with self._transaction() as connection:
            connection.execute(delete(gone).where(gone.c.endpoint == endpoint))
            _promote(connection, endpoint, now)
            return _count(connection, endpoint)

    # --- how endpoints are --------------------------------------------------------------------------

    def mark_gone(self, endpoint: str, url: str) -> None:
        """The endpoint wants no messages any more, and what waits for it is dropped."""
        with self._transaction() as connection:
            row = {"endpoint": endpoint, "url": url}
            written = insert(gone).values(row)
            connection.execute(written.on_conflict_do_update(index_elements=["endpoint"], set_=row))
            connection.execute(delete(messages).where(messages.c.endpoint == endpoint))

    def gone_urls(self) -> dict[str, str]:
        """By endpoint, the URL that said 410."""
        with self._transaction() as connection:
            return {row.endpoint: row.url for row in connection.execute(select(gone))}

    def backlog(self, endpoint: str) -> Backlog:
        first = select(messages).where(messages.c.endpoint == endpoint).order_by(messages.c.id).limit(1)
        with self._transaction() as connection:
            oldest = connection.execute(first).first()
            if oldest is None:
                return Backlog()
            waiting = _count(connection, endpoint)
            return Backlog(waiting, oldest.created_at, oldest.attempts, oldest.error)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection


def _columns(message: Message) -> dict[str, Any]:
    names = ("message_id", "lane", "type", "body")
    return {name: getattr(message, name) for name in names}


def _message(row: Any) -> Message:
    return Message(row.message_id, row.lane, row.type, row.body)


def _has_lane(connection: Connection, endpoint: str, lane: str) -> bool:
    wanted = select(messages.c.id).where(messages.c.endpoint == endpoint, messages.c.lane == lane).limit(1)
    return connection.execute(wanted).first() is not None


def _count(connection: Connection, endpoint: str) -> int:
    wanted = select(func.count()).select_from(messages).where(messages.c.endpoint == endpoint)
    return int(connection.execute(wanted).scalar_one())


def _promote(connection: Connection, endpoint: str, now: float, *which: ColumnElement[bool]) -> None:
    """The oldest of every lane is due, or of those of them that the conditions name."""
    firsts = (
        select(func.min(messages.c.id)).where(messages.c.endpoint == endpoint).group_by(messages.c.lane)
    ).scalar_subquery()
    connection.execute(update(messages).where(messages.c.id.in_(firsts), *which).values(due_at=now))
