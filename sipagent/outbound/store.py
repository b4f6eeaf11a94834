"""Dials in SQLite: what was taken survives SIGKILL, and so does that an attempt was begun.

All methods block, and belong on one thread. They raise `sqlalchemy.exc.DBAPIError` where the disk refuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    Boolean,
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
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.sqlite import insert

from sipagent.outbound.dial import OVER, Dial
from sipagent.sqlite_files import open_file

metadata = MetaData()
dials = Table(
    "dials",
    metadata,
    Column("dial_id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("outcome", String),
    Column("trunk", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("campaign", String),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("body", LargeBinary, nullable=False),
    Index("dials_state", "state"),
    Index("dials_campaign", "campaign"),
    Index("dials_created", "created_at"),
)
#: Every attempt that was begun, for caps and pools to count.
attempts = Table(
    "attempts",
    metadata,
    Column("dial_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("key", String, nullable=False),
    Column("callee", String, nullable=False),
    Column("caller", String),
    Column("began_at", Float, nullable=False),
    Index("attempts_callee", "callee", "began_at"),
    Index("attempts_began", "began_at"),
)
campaigns = Table(
    "campaigns",
    metadata,
    Column("name", String, primary_key=True),
    Column("is_paused", Boolean, nullable=False),
)


class Placement(NamedTuple):
    """A call that was placed for a token, from one of our numbers or the trunk's own."""

    key: str
    caller: str | None
    began_at: float


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dials are wanted; None leaves a thing open. `trunks` are those that the asker may see."""

    tenant: str | None = None
    state: str | None = None
    campaign: str | None = None
    trunks: frozenset[str] | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        for column in (dials.c.tenant, dials.c.state, dials.c.campaign):
            wanted = getattr(self, column.name)
            if wanted is not None:
                yield column == wanted
        if self.trunks is not None:
            yield dials.c.trunk.in_(self.trunks)


class Count(NamedTuple):
    """How many dials are in a state, by the outcome of their last attempt."""

    state: str
    outcome: str | None
    dials: int


class Store:
    """Times are Unix times in seconds."""

    def __init__(self, path: Path | None) -> None:
        """Opens, or makes, the file; None is memory. See `open_file`."""
        self._engine, _ = open_file(path, metadata, survives_power_cuts=True)

    def close(self) -> None:
        self._engine.dispose()

    def save(self, changed: Iterable[Dial]) -> None:
        """All of them as they are now, or none."""
        with self._transaction() as connection:
            for dial in changed:
                row = _columns(dial)
                written = insert(dials).values(row)
                connection.execute(written.on_conflict_do_update(index_elements=["dial_id"], set_=row))
                _save_attempts(connection, dial)

    def unfinished(self) -> list[Dial]:
        """Oldest first."""
        wanted = select(dials.c.body).where(dials.c.state.not_in(OVER)).order_by(dials.c.created_at)
        with self._transaction() as connection:
            return [_dial(body) for body in connection.execute(wanted).scalars()]

    def placements(self, since: float) -> list[Placement]:
        wanted = select(attempts.c.key, attempts.c.caller, attempts.c.began_at)
        with self._transaction() as connection:
            rows = connection.execute(wanted.where(attempts.c.began_at > since))
            return [Placement(row.key, row.caller, row.began_at) for row in rows]

    def last_caller(self, callee: str, numbers: Collection[str]) -> str | None:
        """Which of our numbers the callee was called from last."""
        wanted = (
            select(attempts.c.caller)
            .where(attempts.c.callee == callee, attempts.c.caller.in_(numbers))
            .order_by(attempts.c.began_at.desc())
            .limit(1)
        )
        with self._transaction() as connection:
            last: str | None = connection.execute(wanted).scalar()
            return last

    def get(self, dial_id: str) -> Dial | None:
        with self._transaction() as connection:
            body = connection.execute(select(dials.c.body).where(dials.c.dial_id == dial_id)).scalar()
            return None if body is None else _dial(body)

    def find(self, which: Filter, most: int, before: str | None = None) -> Sequence[Dial]:
        """The newest first; `before` is the last one of the page before, by its id."""
        wanted = select(dials.c.body).where(*which.conditions())
        order = (dials.c.created_at, dials.c.dial_id)
        if before is not None:
            place = select(*order).where(dials.c.dial_id == before)
            wanted = wanted.where(tuple_(*order) < place.scalar_subquery())
        wanted = wanted.order_by(*(column.desc() for column in order)).limit(most)
        with self._transaction() as connection:
            return [_dial(body) for body in connection.execute(wanted).scalars()]

    def counts(self, which: Filter) -> list[Count]:
        columns = (dials.c.state, dials.c.outcome)
        wanted = select(*columns, func.count()).where(*which.conditions()).group_by(*columns)
        with self._transaction() as connection:
            return [Count(*row) for row in connection.execute(wanted)]

    def pause(self, campaign: str, is_paused: bool) -> None:
        with self._transaction() as connection:
            row = {"name": campaign, "is_paused": is_paused}
            written = insert(campaigns).values(row)
            connection.execute(written.on_conflict_do_update(index_elements=["name"], set_=row))

    def paused(self) -> set[str]:
        with self._transaction() as connection:
            wanted = select(campaigns.c.name).where(campaigns.c.is_paused)
            return set(connection.execute(wanted).scalars())

    def purge(self, ended_before: float) -> int:
        """Forget dials that were over by then; how many those were."""
        doomed = select(dials.c.dial_id).where(dials.c.ended_at < ended_before)
        with self._transaction() as connection:
            connection.execute(delete(attempts).where(attempts.c.dial_id.in_(doomed)))
            return connection.execute(delete(dials).where(dials.c.ended_at < ended_before)).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection


def _columns(dial: Dial) -> dict[str, Any]:
    wish = dial.wish
    return {
        "dial_id": dial.dial_id,
        "state": dial.state,
        "outcome": dial.outcome,
        "trunk": wish.trunk,
        "tenant": wish.tenant,
        "campaign": wish.campaign,
        "created_at": dial.created_at,
        "ended_at": dial.ended_at,
        "body": msgspec.json.encode(dial),
    }


def _save_attempts(connection: Connection, dial: Dial) -> None:
    """Attempts are added, and the last one may be taken back; they don't change in what stands here."""
    connection.execute(
        delete(attempts).where(attempts.c.dial_id == dial.dial_id, attempts.c.number > len(dial.attempts))
    )
    for attempt in dial.attempts[-1:]:
        row = {
            "dial_id": dial.dial_id,
            "number": attempt.number,
            "key": dial.wish.key,
            "callee": dial.wish.to,
            "caller": attempt.caller,
            "began_at": attempt.began_at,
        }
        connection.execute(insert(attempts).values(row).on_conflict_do_nothing())


def _dial(body: bytes) -> Dial:
    return msgspec.json.decode(body, type=Dial)
