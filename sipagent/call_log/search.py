"""Looking for calls: what is asked for, as a select over the table of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, select

from sipagent.call_log.database import Database
from sipagent.call_log.schema import calls

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: So many calls are named when a prefix means several.
AMBIGUOUS_SHOWN = 5


class NotOneCall(LookupError):
    """No call has this id, or several begin with it. Prints as a sentence."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What calls to list; None is any. `from_number` and `to_number` may end in `*`."""

    since: datetime | None = None
    until: datetime | None = None
    trunk: str | None = None
    agent: str | None = None
    direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    status: str | None = None
    end_reason: str | None = None
    outcome: str | None = None
    limit: int = 50


def find(database: Database, wanted: Wanted) -> Sequence[dict[str, Any]]:
    """The records wanted, newest first. Raises `DatabaseDown`."""
    return database.records(matching(wanted))


def find_one(database: Database, prefix: str) -> dict[str, Any]:
    """The record of the call whose id begins so. Raises `NotOneCall` or `DatabaseDown`."""
    begins = calls.c.call_id.startswith(prefix, autoescape=True)
    found = database.records(select(calls.c.record).where(begins).limit(AMBIGUOUS_SHOWN))
    if not found:
        raise NotOneCall(f"no call's id begins with {prefix!r}")
    if len(found) > 1:
        ids = ", ".join(str(record.get("call_id")) for record in found)
        raise NotOneCall(f"{prefix!r} may be any of these calls: {ids}")
    return found[0]


def matching(wanted: Wanted) -> Select[Any]:
    """The select of records for this."""
    found = select(calls.c.record).order_by(calls.c.received_at.desc()).limit(wanted.limit)
    if wanted.since is not None:
        found = found.where(calls.c.received_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(calls.c.received_at < wanted.until)
    exact = {
        calls.c.trunk: wanted.trunk,
        calls.c.agent: wanted.agent,
        calls.c.direction: wanted.direction,
        calls.c.status: wanted.status,
        calls.c.end_reason: wanted.end_reason,
        calls.c.outcome: wanted.outcome,
    }
    for column, value in exact.items():
        if value is not None:
            found = found.where(column == value)
    for column, number in ((calls.c.from_number, wanted.from_number), (calls.c.to_number, wanted.to_number)):
        if number is not None and number.endswith("*"):
            found = found.where(column.startswith(number[:-1], autoescape=True))
        elif number is not None:
            found = found.where(column == number)
    return found


def moment(text: str, now: datetime) -> datetime:
    """`2026-03-01`, `2026-03-01T12:30` (UTC unless it names a zone), or how long ago: `90m`, `24h`, `7d`.

    Raises ValueError.
    """
    if text[:-1].isdecimal() and text[-1:] in _UNITS:
        return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
