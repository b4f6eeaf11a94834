"""Builders of call events: one call, `call_id` c-1, whose INVITE came in at monotonic second 100."""

from __future__ import annotations

from typing import Any, Literal

from sipagent import events
from sipagent.events import Role

CALL_ID = "c-1"
INVITED_AT = 100.0
#: 2026-03-01T12:00:00Z
INVITED_AT_WALL = 1772366400.0


def received(call_id: str = CALL_ID, at: float = INVITED_AT) -> events.CallReceived:
    return events.CallReceived(
        call_id=call_id,
        at=at,
        direction="inbound",
        source="192.0.2.1:5060/udp",
        trunk="pbx",
        from_number="+15559999",
        to_number="100",
        sip_call_id="sip-1",
    )


def admitted(at: float = 100.001) -> events.CallAdmitted:
    return events.CallAdmitted(call_id=CALL_ID, at=at, agent="echo", route="pbx/100 -> echo")


def refused(reason_code: str = "trunk_call_limit", sip_status: int = 503) -> events.CallRefused:
    return events.CallRefused(
        call_id=CALL_ID, at=100.001, sip_status=sip_status, reason_code=reason_code, detail="why"
    )


def ready(at: float = 100.2) -> events.LegReady:
    return events.LegReady(call_id=CALL_ID, at=at, ready_ms=150.0)


def answered(at: float = 100.25) -> events.CallAnswered:
    return events.CallAnswered(call_id=CALL_ID, at=at, codec="PCMU")


def caller_spoke(item_id: str, begin: float, end: float) -> list[events.Event]:
    return [
        events.SpeechStarted(call_id=CALL_ID, at=begin, item_id=item_id),
        events.SpeechStopped(call_id=CALL_ID, at=end, item_id=item_id),
    ]


def agent_spoke(
    item_id: str, begin: float, end: float, flushed_ms: int = 0, **starvations: int
) -> list[events.Event]:
    return [
        events.AgentSpeechStarted(call_id=CALL_ID, at=begin, item_id=item_id),
        events.AgentSpeechEnded(
            call_id=CALL_ID,
            at=end,
            item_id=item_id,
            played_ms=round((end - begin) * 1000),
            flushed_ms=flushed_ms,
            interrupted=flushed_ms > 0,
            starvations=starvations,
        ),
    ]


def said(role: Role, item_id: str, text: str, at: float = 105.0) -> events.Transcript:
    return events.Transcript(call_id=CALL_ID, at=at, role=role, item_id=item_id, text=text)


def used(source: Literal["response", "transcription"], **usage: Any) -> events.UsageReported:
    return events.UsageReported(call_id=CALL_ID, at=101.0, source=source, usage=usage)


def leg_ended(reason: str = "caller_hung_up", recording: str | None = None) -> events.LegEnded:
    return events.LegEnded(
        call_id=CALL_ID,
        at=109.9,
        reason=reason,
        rtp={"inbound": {"packets": 500}},
        audio={"dropped_ms": 20},
        recording=recording,
    )


def ended(reason: str = "caller_hung_up", sip_status: int = 200, at: float = 110.25) -> events.CallEnded:
    return events.CallEnded(call_id=CALL_ID, at=at, end_reason=reason, sip_status=sip_status)
