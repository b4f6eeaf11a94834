"""The tables of the database of calls, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Times with their zone. SQLite, which has no zones, keeps UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        at: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return at.astimezone(UTC)


RecordJson = JSON().with_variant(JSONB(), "postgresql")

metadata = MetaData()

#: One row per call. The columns are what calls are looked for by; `record` is the call record, whole.
calls = Table(
    "calls",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("direction", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("trunk", Text),
    Column("agent", Text),
    Column("from_number", Text, nullable=False),
    Column("to_number", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("duration_s", Float, nullable=False),
    Column("sip_status", Integer, nullable=False),
    Column("reason_code", Text),
    Column("end_reason", Text),
    Column("codec", String(16)),
    Column("sip_call_id", Text, nullable=False),
    Column("record", RecordJson, nullable=False),
    Column("cost", Numeric(18, 6)),
    Column("currency", String(3)),
    Column("outcome", String(16)),
    Index("calls_received_at", "received_at"),
    Index("calls_trunk", "trunk", "received_at"),
    Index("calls_agent", "agent", "received_at"),
    Index("calls_from_number", "from_number", "received_at"),
    Index("calls_to_number", "to_number", "received_at"),
    Index("calls_ended_at", "ended_at"),
)

#: How far each spool file is in the database: written in one transaction with the rows that it speaks of.
feed_positions = Table(
    "feed_positions",
    metadata,
    Column("spool", String(64), primary_key=True),
    Column("file", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),
)
