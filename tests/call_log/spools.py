"""Builders: a spool directory as a server leaves it, and records in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

DAY = "2026-03-01"


def record(call_id: str, **fields: Any) -> dict[str, Any]:
    """What stands in the spool for a call that was answered."""
    return {
        "call_id": call_id,
        "direction": "inbound",
        "call_status": "completed",
        "trunk": "pbx",
        "agent": "echo",
        "from": "+15559999",
        "to": "100",
        "received_at": f"{DAY}T12:00:00.000Z",
        "answered_at": f"{DAY}T12:00:01.000Z",
        "ended_at": f"{DAY}T12:00:11.000Z",
        "duration_s": 10.0,
        "sip_status": 200,
        "reason_code": None,
        "end_reason": "caller_hung_up",
        "codec": "PCMU",
        "sip_call_id": f"sip-{call_id}",
        "cost": None,
        **fields,
    }


def add(spool: Path, *records: dict[str, Any], day: str = DAY) -> Path:
    """Append records to a day's file."""
    spool.mkdir(parents=True, exist_ok=True)
    path = spool / f"calls-{day}.jsonl"
    with open(path, "ab") as file:
        file.writelines(msgspec.json.encode(each) + b"\n" for each in records)
    return path


def refuse_none(record: dict[str, Any]) -> None:
    """For databases that are to take everything."""
    raise AssertionError(f"refused: {record}")
