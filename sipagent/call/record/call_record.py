"""The record of one call, as it stands in the log: `record.builder` makes it of events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from sipagent import events
from sipagent.call.record.dials import Dial
from sipagent.call.record.transfers import HumanLeg, Transfer


class Turn(msgspec.Struct, kw_only=True):
    """One utterance of one side, in the order in which they began. Times are seconds after the INVITE.

    For the caller, `started_s`/`ended_s` are when the backend told us that speech began and ended. For the
    agent they are the first and last frame on the wire, and `played_ms` is what really went out.
    """

    role: events.Role
    item_id: str
    started_s: float
    ended_s: float | None = None
    text: str | None = None
    played_ms: int | None = None
    flushed_ms: int | None = None
    interrupted: bool = False
    starvations: dict[str, int] = {}


class Hold(msgspec.Struct, kw_only=True):
    """A time on hold. `direction` is ours; `ended_s` is None if the call ended meanwhile."""

    started_s: float
    direction: str
    by: str = "peer"
    ended_s: float | None = None


class ToolUse(msgspec.Struct, kw_only=True):
    """A tool that the model called, or its host for it at an MCP `server`.

    `arguments` and `output` are what it wrote and was told.
    """

    tool_call_id: str
    name: str
    at_s: float
    arguments: str
    outcome: str | None = None
    duration_ms: float | None = None
    output: str | None = None
    detail: str = ""
    server: str | None = None


class Timings(msgspec.Struct, kw_only=True):
    """Milliseconds from the INVITE to each step; None for a step that never came."""

    backend_ready_ms: float | None = None
    answered_ms: float | None = None
    first_rtp_ms: float | None = None
    first_agent_audio_ms: float | None = None


class CallRecord(msgspec.Struct, kw_only=True):
    """One line of the call log. Wall times are ISO 8601 UTC; `*_monotonic_s` are CLOCK_MONOTONIC."""

    call_id: str
    direction: str
    call_status: str = "in-progress"
    trunk: str | None = None
    agent: str | None = None
    route: str | None = None
    route_trail: list[dict[str, Any]] = []
    redirected_to: list[str] = []
    from_: str = msgspec.field(name="from", default="")
    to: str = ""
    source: str = ""
    sip_call_id: str = ""
    asserted_identity: str | None = None
    diverted_from: str | None = None
    privacy: str | None = None
    stir: dict[str, Any] | None = None
    received_at: str = ""
    received_monotonic_s: float = 0.0
    answered_at: str | None = None
    ended_at: str | None = None
    ended_monotonic_s: float | None = None
    duration_s: float = 0.0
    outcome: str | None = None
    sip_status: int = 0
    q850: int | None = None
    reason_code: str | None = None
    end_reason: str | None = None
    detail: str = ""
    codec: str | None = None
    srtp: str | None = None
    path: str | None = None
    timings: Timings = msgspec.field(default_factory=Timings)
    dial: Dial | None = None
    turns: list[Turn] = []
    digits: list[dict[str, Any]] = []
    digits_sent: list[dict[str, Any]] = []
    holds: list[Hold] = []
    transfers: list[Transfer] = []
    legs: list[HumanLeg] = []
    tools: list[ToolUse] = []
    messages: list[dict[str, Any]] = []
    safe_modes: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    fallback: list[dict[str, Any]] = []
    rollovers: int = 0
    answered_by: dict[str, Any] | None = None
    beep: dict[str, Any] | None = None
    rehomings: list[dict[str, Any]] = []
    usage: dict[str, Any] = {}
    tokens: dict[str, dict[str, int]] = {}
    cost: dict[str, Any] | None = None
    rtp: dict[str, Any] = {}
    audio: dict[str, Any] = {}
    recording: str | None = None
    recording_truncated: bool = False
    recording_detail: str | None = None
    recording_holes: list[dict[str, Any]] = []
    transcript: str | None = None
    ladder: str | None = None


_STATUS_BY_OUTCOME: Mapping[str | None, str] = {
    "busy": "busy",
    "no_answer": "no-answer",
    "rejected": "rejected",
    "cancelled": "canceled",
}


def iso(wall: float) -> str:
    """Unix time as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cost_of(charged: events.CallCharged) -> dict[str, Any] | None:
    """What a call cost, by who takes it; None where nothing is priced."""
    if charged.currency is None:
        return None
    return {
        "model": charged.model_cost,
        "trunk": charged.trunk_cost,
        "total": round(charged.model_cost + charged.trunk_cost, 6),
        "currency": charged.currency,
        "models": charged.models,
        "trunks": charged.trunks,
    }


def call_status(record: CallRecord) -> str:
    """The status word that users of call APIs know: completed, canceled, redirected, rejected or failed.

    Calls of ours are busy or no-answer, too.
    """
    if record.answered_at is not None:
        return "completed"
    if record.direction == "outbound":
        return _STATUS_BY_OUTCOME.get(record.outcome, "failed")
    if record.redirected_to:
        return "redirected"
    if record.reason_code is not None:
        return "rejected"
    return "canceled" if record.end_reason == "caller_cancelled" else "failed"


def add_numbers(total: dict[str, Any], more: dict[str, Any]) -> None:
    """Add every number in `more`, however deep, to its namesake in `total`.

    Other values are passed over, and so is what is a number on one side and not on the other.
    """
    for key, value in more.items():
        if isinstance(value, dict):
            deeper = total.setdefault(key, {})
            if isinstance(deeper, dict):
                add_numbers(deeper, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            sum_before = total.get(key, 0)
            if not isinstance(sum_before, dict):
                total[key] = sum_before + value
