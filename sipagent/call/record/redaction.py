"""What policy keeps out of call records and SIP ladders before they are written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from sipagent import events, logs
from sipagent.call.record.call_record import CallRecord
from sipagent.config import RedactionConfig

#: Keys whose values are names of ours or of the peer's, times and paths: no phone numbers.
_NOT_NUMBERS = frozenset(
    {"call_id", "sip_call_id", "dial_id", "item_id", "tool_call_id", "received_at", "answered_at", "ended_at"}
    | {"recording", "transcript", "ladder", "path", "source"}
)


def redacted_record(record: CallRecord, policy: RedactionConfig) -> dict[str, Any]:
    """The record as it may be written."""
    entry: dict[str, Any] = msgspec.to_builtins(record)
    if policy.transcripts == "drop":
        entry["transcript"] = None
        entry["turns"] = [{**turn, "text": None} for turn in entry["turns"]]
        entry["tools"] = [{**use, "arguments": "", "output": None} for use in entry["tools"]]
        entry["transfers"] = [{**transfer, "summary": ""} for transfer in entry["transfers"]]
    if policy.digits == "mask":
        entry["digits"] = [{**press, "digit": events.MASKED} for press in entry["digits"]]
        entry["digits_sent"] = [{**sent, "digits": events.MASKED} for sent in entry["digits_sent"]]
    if policy.caller_numbers == "mask":
        entry = _in_texts(lambda text: masked(text, own_numbers(record)), entry)
    return entry


def own_numbers(record: CallRecord) -> Collection[str]:
    """The trunk's number in this call, which is no caller's: called, or called from."""
    return {record.to if record.direction == "inbound" else record.from_}


def masked(text: str, spared: Collection[str]) -> str:
    """Leave of every phone number its first and last digits, but for numbers that are spared."""
    return logs.NUMBER.sub(lambda found: found[0] if found[0] in spared else f"{found[1]}***{found[2]}", text)


def _in_texts(change: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: each if key in _NOT_NUMBERS else _in_texts(change, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_in_texts(change, each) for each in value]
    return value
