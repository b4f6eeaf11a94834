"""Calls and their events as they are shown outside, by webhooks and by the API: names and fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sipagent import events
from sipagent.call.record.call_record import CallRecord
from sipagent.call.record.redaction import masked, own_numbers
from sipagent.config import RedactionConfig

#: Names that don't follow from an event's own.
IRREGULAR: Mapping[str, str] = {
    "Transcript": "transcript.added",
    "EarlyMediaOffered": "call.early_media_offered",
    "SafeModeEntered": "tool.safe_mode_entered",
    "SafeModeLeft": "tool.safe_mode_left",
    "HumanLegEnded": "transfer.leg_ended",
}
SUMMARY = (
    *("call_id", "direction", "from", "to", "trunk", "agent", "route", "call_status", "sip_call_id"),
    *("received_at", "answered_at", "ended_at", "duration_s", "sip_status", "reason_code", "end_reason"),
    "outcome",
)
_FIELDS = {"from": "from_"}
#: What of an event is words of the call, and what stands in their place where those are dropped.
_SAID: Mapping[type[Any], Mapping[str, Any]] = {
    events.TransferStarted: {"summary": "", "said": []},
    events.ToolCalled: {"arguments": ""},
    events.ToolAnswered: {"output": None},
    events.McpToolUsed: {"arguments": "", "output": None},
}
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def name_of(kind: type[Any]) -> str:
    """`CallAnswered` -> `call.answered`, `AgentSpeechEnded` -> `agent.speech_ended`"""
    return IRREGULAR.get(kind.__name__) or _WORD.sub("_", kind.__name__).lower().replace("_", ".", 1)


def summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a call wherever it is spoken of, from its record as JSON values."""
    return {key: record.get(key) for key in SUMMARY}


def summary_of(record: CallRecord, policy: RedactionConfig) -> dict[str, Any]:
    """The same of a call that is on."""
    shown = {key: getattr(record, _FIELDS.get(key, key)) for key in SUMMARY}
    if policy.caller_numbers == "mask":
        own = own_numbers(record)
        shown |= {key: masked(shown[key], own) for key in ("from", "to")}
    return shown


def fields_of(event: events.Event, policy: RedactionConfig) -> dict[str, Any] | None:
    """What an event tells besides its call and its time; None if policy keeps it back altogether."""
    if isinstance(event, events.Transcript) and policy.transcripts == "drop":
        return None
    fields: dict[str, Any] = msgspec.to_builtins(event)
    for key in ("call_id", "at", "type"):
        del fields[key]
    if policy.transcripts == "drop":
        fields |= _SAID.get(type(event), {})
    if policy.digits == "mask":
        fields |= {key: events.MASKED for key in ("digit", "digits") if key in fields}
    return fields
