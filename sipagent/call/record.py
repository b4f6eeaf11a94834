"""The record of one call, built from its events and from nothing else. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from sipagent import events
from sipagent.call import record_dials, record_transfers
from sipagent.call.record_dials import Dial
from sipagent.call.record_transfers import HumanLeg, Transfer
from sipagent.cost.usage import Quantities, quantities

#: What is kept of a tool's arguments and output, in characters.
MAX_TOOL_TEXT = 2000


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


class RecordBuilder:
    """Feeds on the events of one call. `wall` is the Unix time of the first, with which it began."""

    def __init__(self, begun: events.CallBegun, wall: float) -> None:
        self._began = begun.at
        self._wall = wall
        self._answered: float | None = None
        self.record = CallRecord(
            call_id=begun.call_id,
            direction=begun.direction,
            trunk=begun.trunk,
            from_=begun.from_number,
            to=begun.to_number,
            received_at=self._iso(begun.at),
            received_monotonic_s=begun.at,
        )
        if isinstance(begun, events.CallReceived):
            self._note_caller(begun)
        else:
            self.record.dial = record_dials.dial_of(begun)

    def apply(self, event: events.Event) -> None:
        """Take one event in. Unknown kinds leave the record as it is."""
        record = self.record
        if record.dial is not None and isinstance(event, record_dials.DialEvent):
            record_dials.apply(event, record.dial, self._s(event.at))
        match event:
            case events.CallProgressed():
                record.sip_call_id = event.sip_call_id
            case events.CallRouted():
                record.route, record.route_trail = event.route, event.trail
            case events.CallRedirected():
                record.sip_status, record.redirected_to = event.sip_status, event.targets
            case events.CallAdmitted():
                record.agent, record.route = event.agent, event.route
            case events.CallAccepted():
                record.agent = event.agent
            case events.CallRefused():
                record.sip_status, record.reason_code = event.sip_status, event.reason_code
                record.detail = event.detail
            case events.LegReady():
                record.timings.backend_ready_ms = self._ms(event.at)
            case events.PathBuilt():
                record.path = event.path
            case events.CallAnswered():
                self._answered = event.at
                record.codec, record.srtp = event.codec, event.srtp
                record.answered_at = self._iso(event.at)
                record.timings.answered_ms = self._ms(event.at)
            case events.MediaUpdated():
                record.codec, record.srtp = event.codec, event.srtp
            case events.MediaStarted():
                record.timings.first_rtp_ms = self._ms(event.at)
            case events.DigitReceived():
                digit = {"digit": event.digit, "duration_ms": event.duration_ms, "method": event.method}
                record.digits.append({"at_s": self._s(event.at), **digit})
            case events.DigitsSent():
                sent = {"digits": event.digits, "method": event.method}
                record.digits_sent.append({"at_s": self._s(event.at), **sent})
            case events.CallHeld():
                hold = Hold(started_s=self._s(event.at), direction=event.direction, by=event.by)
                record.holds.append(hold)
            case events.CallResumed():
                record.holds[-1].ended_s = self._s(event.at)
            case (
                events.TransferStarted()
                | events.TransferJoined()
                | events.TransferEnded()
                | events.HumanLegEnded()
            ):
                record_transfers.apply(event, record.transfers, record.legs, self._s)
            case events.RecordingTruncated():
                record.recording_truncated, record.recording_detail = True, event.detail
            case events.BackendProblem():
                problem = {"code": event.code, "message": event.message}
                record.problems.append({"at_s": self._s(event.at), **problem})
            case events.AnswererDetected():
                record.answered_by = {"at_s": self._s(event.at), **answered_by(event)}
            case events.BeepHeard():
                beep = {"hz": event.hz, "duration_ms": event.duration_ms}
                record.beep = {"at_s": self._s(event.at), **beep}
            case events.FallbackTaken():
                taken = {"step": event.step, "cause": event.cause, "outcome": event.outcome}
                record.fallback.append({"at_s": self._s(event.at), **taken})
            case events.SessionRolledOver():
                record.rollovers += 1
            case events.LegRehomed():
                record.rehomings.append(rehoming(event, self._s))
            case events.RecordingResumed():
                from_s = self._s(event.lost_at - event.missing_ms / 1000)
                record.recording_holes.append({"at_s": from_s, "missing_ms": event.missing_ms})
            case events.UsageReported():
                self._add_usage(event)
            case events.LegEnded():
                record.rtp, record.audio = event.rtp, event.audio
                record.recording = event.recording
                record.recording_truncated |= event.recording_truncated
            case events.CallCharged():
                record.cost = cost_of(event)
            case events.CallEnded():
                self._end(event)
            case events.ToolCalled() | events.ToolAnswered() | events.McpToolUsed() | events.MessageTaken():
                self._apply_tools(event)
            case events.SafeModeEntered():
                entered = {"started_s": self._s(event.at), "ended_s": None, "tools": event.tools}
                record.safe_modes.append(entered)
            case events.SafeModeLeft():
                record.safe_modes[-1]["ended_s"] = self._s(event.at)
            case _:
                self._apply_speech(event)

    def _note_caller(self, received: events.CallReceived) -> None:
        record = self.record
        record.source, record.sip_call_id = received.source, received.sip_call_id
        record.asserted_identity, record.diverted_from = received.asserted_identity, received.diverted_from
        record.privacy, record.stir = received.privacy, received.stir

    def _apply_tools(
        self, event: events.ToolCalled | events.ToolAnswered | events.McpToolUsed | events.MessageTaken
    ) -> None:
        record = self.record
        match event:
            case events.ToolCalled():
                at_s, text = self._s(event.at), event.arguments[:MAX_TOOL_TEXT]
                use = ToolUse(tool_call_id=event.tool_call_id, name=event.name, at_s=at_s, arguments=text)
                record.tools.append(use)
            case events.McpToolUsed():
                record.tools.append(self._mcp_use(event))
            case events.ToolAnswered():
                for use in record.tools:
                    if use.tool_call_id == event.tool_call_id:
                        use.outcome, use.duration_ms = event.outcome, event.duration_ms
                        use.output = None if event.output is None else event.output[:MAX_TOOL_TEXT]
                        use.detail = event.detail
            case events.MessageTaken():
                record.messages.append(
                    {"at_s": self._s(event.at), "tool": event.tool, "fields": event.fields}
                )

    def _mcp_use(self, event: events.McpToolUsed) -> ToolUse:
        return ToolUse(
            tool_call_id=event.tool_call_id,
            name=event.name,
            at_s=self._s(event.at),
            arguments=event.arguments[:MAX_TOOL_TEXT],
            outcome="failed" if event.error else "ok",
            output=None if event.output is None else event.output[:MAX_TOOL_TEXT],
            detail=event.error,
            server=event.server,
        )

    def _apply_speech(self, event: events.Event) -> None:
        match event:
            case events.SpeechStarted():
                self._turn("caller", event.item_id, event.at)
            case events.SpeechStopped():
                self._turn("caller", event.item_id, event.at).ended_s = self._s(event.at)
            case events.AgentSpeechStarted():
                timings = self.record.timings
                timings.first_agent_audio_ms = timings.first_agent_audio_ms or self._ms(event.at)
                self._turn("agent", event.item_id, event.at)
            case events.AgentSpeechEnded():
                turn = self._turn("agent", event.item_id, event.at)
                turn.ended_s = self._s(event.at)
                turn.played_ms, turn.flushed_ms = event.played_ms, event.flushed_ms
                turn.interrupted, turn.starvations = event.interrupted, event.starvations
            case events.Transcript():
                self._turn(event.role, event.item_id, event.at).text = event.text

    def _turn(self, role: events.Role, item_id: str, at: float) -> Turn:
        for turn in reversed(self.record.turns):
            if turn.item_id == item_id and turn.role == role:
                return turn
        turn = Turn(role=role, item_id=item_id, started_s=self._s(at))
        self.record.turns.append(turn)
        return turn

    def _add_usage(self, event: events.UsageReported) -> None:
        total = self.record.usage.setdefault(event.source, {})
        total["count"] = total.get("count", 0) + 1
        add_numbers(total, event.usage)
        used = Quantities(**self.record.tokens.get(event.model, {})) + quantities(event.usage)
        if used.tokens:
            self.record.tokens[event.model] = used.tokens

    def _end(self, event: events.CallEnded) -> None:
        record = self.record
        record.end_reason, record.sip_status = event.end_reason, event.sip_status or record.sip_status
        record.detail = event.detail or record.detail
        record.outcome, record.q850 = event.outcome, event.q850
        record.sip_call_id = event.sip_call_id or record.sip_call_id
        record.ended_at, record.ended_monotonic_s = self._iso(event.at), event.at
        record.duration_s = round(event.at - self._answered, 3) if self._answered is not None else 0.0
        record.turns.sort(key=lambda turn: turn.started_s)
        record.call_status = call_status(record)

    def _s(self, at: float) -> float:
        return round(at - self._began, 3)

    def _ms(self, at: float) -> float:
        return round((at - self._began) * 1000, 1)

    def _iso(self, at: float) -> str:
        return iso(self._wall + at - self._began)


_STATUS_BY_OUTCOME: Mapping[str | None, str] = {
    "busy": "busy",
    "no_answer": "no-answer",
    "rejected": "rejected",
    "cancelled": "canceled",
}


def rehoming(event: events.LegRehomed, seconds: Callable[[float], float]) -> dict[str, Any]:
    """How a call came to another media worker."""
    return {
        "at_s": seconds(event.at),
        "cause": event.cause,
        "gap_ms": event.gap_ms,
        "uncounted_ms": event.uncounted_ms,
        "from_worker": event.from_worker,
        "to_worker": event.to_worker,
    }


def iso(wall: float) -> str:
    """Unix time as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def answered_by(detected: events.AnswererDetected) -> dict[str, Any]:
    """Who has answered, and what that was judged by."""
    keys = ("kind", "reason", "after_ms", "greeting_ms", "initial_silence_ms", "words")
    return {key: getattr(detected, key) for key in keys}


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
