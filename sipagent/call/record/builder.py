"""The record of one call, built from its events and from nothing else. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sipagent import events
from sipagent.call.record import dials, transfers
from sipagent.call.record.call_record import (
    CallRecord,
    Hold,
    ToolUse,
    Turn,
    add_numbers,
    call_status,
    cost_of,
    iso,
)
from sipagent.cost.usage import Quantities, quantities

#: What is kept of a tool's arguments and output, in characters.
MAX_TOOL_TEXT = 2000

#: Fields of the record that are those of an event, under the same name or another.
COPIED: Mapping[type, Mapping[str, str]] = {
    events.CallProgressed: {"sip_call_id": "sip_call_id"},
    events.CallRouted: {"route": "route", "route_trail": "trail"},
    events.CallRedirected: {"sip_status": "sip_status", "redirected_to": "targets"},
    events.CallAdmitted: {"agent": "agent", "route": "route"},
    events.CallAccepted: {"agent": "agent"},
    events.CallRefused: {"sip_status": "sip_status", "reason_code": "reason_code", "detail": "detail"},
    events.PathBuilt: {"path": "path"},
    events.CallAnswered: {"codec": "codec", "srtp": "srtp"},
    events.MediaUpdated: {"codec": "codec", "srtp": "srtp"},
    events.LegEnded: {"rtp": "rtp", "audio": "audio", "recording": "recording"},
}
#: Steps of the set-up, by which of `Timings` they are.
TIMED: Mapping[type, str] = {
    events.LegReady: "backend_ready_ms",
    events.CallAnswered: "answered_ms",
    events.MediaStarted: "first_rtp_ms",
}
#: Lists of the record, and what of an event goes into them, with its time.
LISTED: Mapping[type, tuple[str, tuple[str, ...]]] = {
    events.DigitReceived: ("digits", ("digit", "duration_ms", "method")),
    events.DigitsSent: ("digits_sent", ("digits", "method")),
    events.BackendProblem: ("problems", ("code", "message")),
    events.FallbackTaken: ("fallback", ("step", "cause", "outcome")),
    events.MessageTaken: ("messages", ("tool", "fields")),
    events.LegRehomed: ("rehomings", ("cause", "gap_ms", "uncounted_ms", "from_worker", "to_worker")),
}
#: What happens once in a call at most.
NOTED: Mapping[type, tuple[str, tuple[str, ...]]] = {
    events.AnswererDetected: (
        "answered_by",
        ("kind", "reason", "after_ms", "greeting_ms", "initial_silence_ms", "words"),
    ),
    events.BeepHeard: ("beep", ("hz", "duration_ms")),
}


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
            self.record.dial = dials.dial_of(begun)

    def apply(self, event: events.Event) -> None:
        """Take one event in. Unknown kinds leave the record as it is."""
        record, kind = self.record, type(event)
        if record.dial is not None and isinstance(event, dials.DialEvent):
            dials.apply(event, record.dial, self._s(event.at))
        for field, source in COPIED.get(kind, {}).items():
            setattr(record, field, getattr(event, source))
        if kind in TIMED:
            setattr(record.timings, TIMED[kind], self._ms(event.at))
        if kind in LISTED:
            name, fields = LISTED[kind]
            getattr(record, name).append(self._entry(event, fields))
        if kind in NOTED:
            name, fields = NOTED[kind]
            setattr(record, name, self._entry(event, fields))
        if kind in ACTIONS:
            ACTIONS[kind](self, event)

    def _entry(self, event: events.Event, fields: tuple[str, ...]) -> dict[str, Any]:
        return {"at_s": self._s(event.at), **{field: getattr(event, field) for field in fields}}

    # --- how a call goes ----------------------------------------------------------------------------

    def _note_caller(self, received: events.CallReceived) -> None:
        record = self.record
        record.source, record.sip_call_id = received.source, received.sip_call_id
        record.asserted_identity, record.diverted_from = received.asserted_identity, received.diverted_from
        record.privacy, record.stir = received.privacy, received.stir

    def _answer(self, event: events.CallAnswered) -> None:
        self._answered = event.at
        self.record.answered_at = self._iso(event.at)

    def _hold(self, event: events.CallHeld) -> None:
        held = Hold(started_s=self._s(event.at), direction=event.direction, by=event.by)
        self.record.holds.append(held)

    def _resume(self, event: events.CallResumed) -> None:
        self.record.holds[-1].ended_s = self._s(event.at)

    def _transfer(self, event: events.Event) -> None:
        transfers.apply(event, self.record.transfers, self.record.legs, self._s)

    def _leg_ended(self, event: events.LegEnded) -> None:
        self.record.recording_truncated |= event.recording_truncated

    def _truncate(self, event: events.RecordingTruncated) -> None:
        self.record.recording_truncated, self.record.recording_detail = True, event.detail

    def _add_hole(self, event: events.RecordingResumed) -> None:
        from_s = self._s(event.lost_at - event.missing_ms / 1000)
        self.record.recording_holes.append({"at_s": from_s, "missing_ms": event.missing_ms})

    def _roll_over(self, event: events.SessionRolledOver) -> None:
        self.record.rollovers += 1

    def _charge(self, event: events.CallCharged) -> None:
        self.record.cost = cost_of(event)

    # --- tools --------------------------------------------------------------------------------------

    def _call_tool(self, event: events.ToolCalled) -> None:
        at_s, text = self._s(event.at), event.arguments[:MAX_TOOL_TEXT]
        use = ToolUse(tool_call_id=event.tool_call_id, name=event.name, at_s=at_s, arguments=text)
        self.record.tools.append(use)

    def _answer_tool(self, event: events.ToolAnswered) -> None:
        for use in self.record.tools:
            if use.tool_call_id == event.tool_call_id:
                use.outcome, use.duration_ms = event.outcome, event.duration_ms
                use.output = None if event.output is None else event.output[:MAX_TOOL_TEXT]
                use.detail = event.detail

    def _use_mcp(self, event: events.McpToolUsed) -> None:
        self.record.tools.append(self._mcp_use(event))

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

    def _enter_safe_mode(self, event: events.SafeModeEntered) -> None:
        entered = {"started_s": self._s(event.at), "ended_s": None, "tools": event.tools}
        self.record.safe_modes.append(entered)

    def _leave_safe_mode(self, event: events.SafeModeLeft) -> None:
        self.record.safe_modes[-1]["ended_s"] = self._s(event.at)

    # --- turns --------------------------------------------------------------------------------------

    def _caller_starts(self, event: events.SpeechStarted) -> None:
        self._turn("caller", event.item_id, event.at)

    def _caller_stops(self, event: events.SpeechStopped) -> None:
        self._turn("caller", event.item_id, event.at).ended_s = self._s(event.at)

    def _agent_starts(self, event: events.AgentSpeechStarted) -> None:
        timings = self.record.timings
        timings.first_agent_audio_ms = timings.first_agent_audio_ms or self._ms(event.at)
        self._turn("agent", event.item_id, event.at)

    def _agent_stops(self, event: events.AgentSpeechEnded) -> None:
        turn = self._turn("agent", event.item_id, event.at)
        turn.ended_s = self._s(event.at)
        turn.played_ms, turn.flushed_ms = event.played_ms, event.flushed_ms
        turn.interrupted, turn.starvations = event.interrupted, event.starvations

    def _transcribe(self, event: events.Transcript) -> None:
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


#: What takes more than copying.
ACTIONS: Mapping[type, Callable[[RecordBuilder, Any], None]] = {
    events.CallAnswered: RecordBuilder._answer,
    events.CallHeld: RecordBuilder._hold,
    events.CallResumed: RecordBuilder._resume,
    events.TransferStarted: RecordBuilder._transfer,
    events.TransferJoined: RecordBuilder._transfer,
    events.TransferEnded: RecordBuilder._transfer,
    events.HumanLegEnded: RecordBuilder._transfer,
    events.RecordingTruncated: RecordBuilder._truncate,
    events.RecordingResumed: RecordBuilder._add_hole,
    events.SessionRolledOver: RecordBuilder._roll_over,
    events.UsageReported: RecordBuilder._add_usage,
    events.LegEnded: RecordBuilder._leg_ended,
    events.CallCharged: RecordBuilder._charge,
    events.CallEnded: RecordBuilder._end,
    events.ToolCalled: RecordBuilder._call_tool,
    events.ToolAnswered: RecordBuilder._answer_tool,
    events.McpToolUsed: RecordBuilder._use_mcp,
    events.SafeModeEntered: RecordBuilder._enter_safe_mode,
    events.SafeModeLeft: RecordBuilder._leave_safe_mode,
    events.SpeechStarted: RecordBuilder._caller_starts,
    events.SpeechStopped: RecordBuilder._caller_stops,
    events.AgentSpeechStarted: RecordBuilder._agent_starts,
    events.AgentSpeechEnded: RecordBuilder._agent_stops,
    events.Transcript: RecordBuilder._transcribe,
}
