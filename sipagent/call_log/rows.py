"""A call record as a row of the database. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def row_of(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The columns of `schema.calls` for a record; None for a line that is no call record.

    What a record of another version lacks, or has in another shape, is left empty: the record is kept whole.
    """
    call_id = record.get("call_id")
    if not isinstance(call_id, str) or not call_id:
        return None
    cost = record.get("cost")
    cost = cost if isinstance(cost, Mapping) else {}
    row = {
        "call_id": call_id[:64],
        "direction": _text(record, "direction")[:16],
        "status": _text(record, "call_status")[:16],
        "trunk": _text(record, "trunk") or None,
        "agent": _text(record, "agent") or None,
        "from_number": _text(record, "from"),
        "to_number": _text(record, "to"),
        "received_at": _time(record.get("received_at")) or EPOCH,
        "answered_at": _time(record.get("answered_at")),
        "ended_at": _time(record.get("ended_at")),
        "duration_s": float(_number(record.get("duration_s"))),
        "sip_status": int(min(max(_number(record.get("sip_status")), 0), 999)),
        "reason_code": _text(record, "reason_code") or None,
        "end_reason": _text(record, "end_reason") or None,
        "codec": _text(record, "codec")[:16] or None,
        "sip_call_id": _text(record, "sip_call_id"),
        "cost": amount(cost.get("total")),
        "currency": _text(cost, "currency")[:3] or None,
        "outcome": _text(record, "outcome")[:16] or None,
        "record": dict(record),
    }
    return without_nul(row) if b"\\u0000" in msgspec.json.encode(record) else row


def amount(value: object) -> Decimal | None:
    """Money as records have it, a number or its text; None for anything else."""
    try:
        return Decimal(str(value)) if isinstance(value, (int, float, str)) else None
    except InvalidOperation:
        return None


def without_nul(value: Any) -> Any:
    """U+0000, which a peer may send and PostgreSQL can't store, as U+FFFD, however deep."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    return value


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
