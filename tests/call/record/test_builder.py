"""The record of a call, from nothing but its events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sipagent import events
from sipagent.call.record.builder import RecordBuilder
from sipagent.call.record.call_record import CallRecord, Hold, add_numbers
from tests.call.stories import (
    CALL_ID,
    INVITED_AT_WALL,
    admitted,
    agent_spoke,
    answered,
    caller_spoke,
    ended,
    leg_ended,
    ready,
    received,
    refused,
    said,
    used,
)


def record_of(*story: events.Event | list[events.Event]) -> CallRecord:
    builder = RecordBuilder(received(), INVITED_AT_WALL)
    for each in story:
        for event in each if isinstance(each, list) else [each]:
            builder.apply(event)
    return builder.record


def test_a_call_that_just_came_in_is_in_progress() -> None:
    record = record_of()
    assert (record.call_id, record.trunk, record.from_, record.to) == (CALL_ID, "pbx", "+15559999", "100")
    assert (record.call_status, record.end_reason) == ("in-progress", None)
    assert (record.received_at, record.received_monotonic_s) == ("2026-03-01T12:00:00.000Z", 100.0)


def test_who_answered_and_when_a_message_could_be_left() -> None:
    judged = {"kind": "machine", "reason": "long_greeting", "after_ms": 4100, "words": 7}
    judged |= {"greeting_ms": 3800, "initial_silence_ms": 300}
    detected = events.AnswererDetected(call_id=CALL_ID, at=104.4, **judged)
    beep = events.BeepHeard(call_id=CALL_ID, at=108.0, hz=1000, duration_ms=400, after_ms=7700)
    record = record_of(admitted(), ready(), answered(), detected, beep)
    assert record.answered_by == {"at_s": 4.4, **judged}
    assert record.beep == {"at_s": 8.0, "hz": 1000, "duration_ms": 400}
    assert record_of().answered_by is None


def test_a_whole_call() -> None:
    started = events.MediaStarted(call_id=CALL_ID, at=100.3, source="192.0.2.1:4000")
    path = events.PathBuilt(call_id=CALL_ID, at=100.25, path="caller: rtp -> backend")
    story = [admitted(), ready(), answered(), path, started, *agent_spoke("i1", 100.5, 102.5)]
    record = record_of(*story, leg_ended(recording="c-1.wav"), ended())
    assert (record.call_status, record.end_reason, record.sip_status) == ("completed", "caller_hung_up", 200)
    assert (record.agent, record.route, record.codec) == ("echo", "pbx/100 -> echo", "PCMU")
    assert record.path == "caller: rtp -> backend"
    assert (record.answered_at, record.ended_at) == ("2026-03-01T12:00:00.250Z", "2026-03-01T12:00:10.250Z")
    assert (record.duration_s, record.ended_monotonic_s) == (10.0, 110.25)
    assert msgspec.structs.asdict(record.timings) == {
        "backend_ready_ms": 200.0,
        "answered_ms": 250.0,
        "first_rtp_ms": 300.0,
        "first_agent_audio_ms": 500.0,
    }
    assert (record.rtp, record.audio) == ({"inbound": {"packets": 500}}, {"dropped_ms": 20})
    assert (record.recording, record.recording_truncated) == ("c-1.wav", False)


# --- status words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "call_status"),
    [
        ([admitted(), ready(), answered(), ended("caller_hung_up")], "completed"),
        ([admitted(), ready(), answered(), ended("worker_lost")], "completed"),
        ([refused(), ended("refused", 503)], "rejected"),
        ([admitted(), refused("backend_not_ready"), ended("refused", 503)], "rejected"),
        ([admitted(), ended("caller_cancelled", 487)], "canceled"),
        ([admitted(), ready(), ended("caller_cancelled", 487)], "canceled"),
        ([admitted(), ended("internal_error", 500)], "failed"),
    ],
)
def test_the_status_is_a_word_that_users_of_call_apis_know(
    story: list[events.Event], call_status: str
) -> None:
    assert record_of(*story).call_status == call_status


def test_a_refused_call_names_its_rule_and_lasted_no_time() -> None:
    record = record_of(refused(), ended("refused", 0))
    assert (record.reason_code, record.sip_status, record.detail) == ("trunk_call_limit", 503, "why")
    assert (record.duration_s, record.answered_at) == (0.0, None)


# --- turns ------------------------------------------------------------------------------------------


def test_turns_have_times_from_the_invite_on() -> None:
    record = record_of(caller_spoke("i1", 102.0, 103.5), agent_spoke("i2", 104.0, 105.0, backend_late=2))
    caller, agent = record.turns
    assert (caller.role, caller.started_s, caller.ended_s, caller.played_ms) == ("caller", 2.0, 3.5, None)
    assert (agent.role, agent.started_s, agent.ended_s, agent.played_ms) == ("agent", 4.0, 5.0, 1000)
    assert (agent.interrupted, agent.starvations) == (False, {"backend_late": 2})


def test_an_interrupted_turn_tells_what_was_heard_and_what_was_not() -> None:
    (turn,) = record_of(agent_spoke("i1", 101.0, 102.2, flushed_ms=3400)).turns
    assert (turn.interrupted, turn.played_ms, turn.flushed_ms) == (True, 1200, 3400)


def test_transcripts_join_their_turns_however_late_they_come() -> None:
    record = record_of(
        caller_spoke("i1", 102.0, 103.0),
        agent_spoke("i2", 104.0, 105.0),
        said("agent", "i2", "Hello."),
        said("caller", "i1", "Hi?"),
        ended(),
    )
    assert [(turn.role, turn.text) for turn in record.turns] == [("caller", "Hi?"), ("agent", "Hello.")]


def test_turns_are_in_the_order_in_which_they_began() -> None:
    """A transcript may come before the first audio of its item has gone out."""
    record = record_of(
        agent_spoke("i2", 104.0, 105.0),
        caller_spoke("i1", 102.0, 103.0),
        agent_spoke("i3", 106.0, 107.0),
        ended(),
    )
    assert [turn.item_id for turn in record.turns] == ["i1", "i2", "i3"]


def test_an_utterance_without_an_end_stays_open() -> None:
    (turn,) = record_of(caller_spoke("i1", 102.0, 103.0)[:1], ended()).turns
    assert turn.ended_s is None


# --- usage, digits, problems ------------------------------------------------------------------------


def test_usage_is_summed_by_source_however_deep() -> None:
    record = record_of(
        used("response", total_tokens=10, details={"audio_tokens": 8, "cached": {"text": 1}}),
        used("response", total_tokens=5, details={"audio_tokens": 3, "text_tokens": 2}, model="m", ok=True),
        used("transcription", seconds=1.5),
    )
    assert record.usage == {
        "response": {
            "count": 2,
            "total_tokens": 15,
            "details": {"audio_tokens": 11, "cached": {"text": 1}, "text_tokens": 2},
        },
        "transcription": {"count": 1, "seconds": 1.5},
    }


def test_usage_whose_shape_changes_breaks_nothing() -> None:
    total: dict[str, object] = {"details": 5, "tokens": {"audio": 1}}
    add_numbers(total, {"details": {"audio": 2}, "tokens": 3})
    assert total == {"details": 5, "tokens": {"audio": 1}}


def test_digits_and_problems_are_listed_with_their_times() -> None:
    digit = events.DigitReceived(call_id=CALL_ID, at=103.0, digit="5", duration_ms=120, method="info")
    problem = events.BackendProblem(call_id=CALL_ID, at=104.0, code="rate_limited", message="slower")
    record = record_of(digit, problem)
    assert record.digits == [{"at_s": 3.0, "digit": "5", "duration_ms": 120, "method": "info"}]
    assert record.problems == [{"at_s": 4.0, "code": "rate_limited", "message": "slower"}]


def test_holds_and_digits_sent_are_listed_with_their_times() -> None:
    record = record_of(
        events.CallHeld(call_id=CALL_ID, at=103.0, direction="recvonly"),
        events.CallResumed(call_id=CALL_ID, at=104.5),
        events.DigitsSent(call_id=CALL_ID, at=105.0, digits="12", method="rfc4733"),
    )
    assert record.holds == [Hold(started_s=3.0, direction="recvonly", ended_s=4.5)]
    assert record.digits_sent == [{"at_s": 5.0, "digits": "12", "method": "rfc4733"}]


def test_a_recording_once_truncated_stays_so() -> None:
    truncated = events.RecordingTruncated(call_id=CALL_ID, at=103.0, detail="No space left on device")
    record = record_of(truncated, leg_ended(recording="c-1.wav"))
    assert (record.recording, record.recording_truncated) == ("c-1.wav", True)
    assert record.recording_detail == "No space left on device"


def test_records_do_not_share_their_lists() -> None:
    record_of(caller_spoke("i1", 102.0, 103.0))
    assert record_of().turns == []


def test_a_record_is_one_json_object_with_the_documented_names() -> None:
    line = msgspec.json.encode(record_of(admitted(), ready(), answered(), ended()))
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=CallRecord).call_status == "completed"
    assert {"from", "to", "call_id", "call_status", "timings", "turns"} <= msgspec.json.decode(line).keys()


def test_tools_that_the_models_host_ran_stand_with_their_server() -> None:
    used = events.McpToolUsed(
        call_id=CALL_ID, at=101.0, tool_call_id="m", server="docs", name="find", arguments="{}" * 5000
    )
    fine, failed = record_of(
        msgspec.structs.replace(used, output="x" * 5000), msgspec.structs.replace(used, error="gone")
    ).tools
    assert (fine.server, fine.name, fine.outcome, fine.duration_ms) == ("docs", "find", "ok", None)
    assert len(fine.arguments) == len(fine.output or "") == 2000
    assert (failed.outcome, failed.output, failed.detail) == ("failed", None, "gone")


def test_tools_stand_with_their_answers() -> None:
    record = record_of(
        events.ToolCalled(call_id=CALL_ID, at=101.0, tool_call_id="t", name="book", arguments="{}" * 5000),
        events.ToolAnswered(
            call_id=CALL_ID,
            at=102.0,
            tool_call_id="t",
            name="book",
            outcome="ok",
            duration_ms=1000.0,
            output="fine",
        ),
        events.MessageTaken(call_id=CALL_ID, at=103.0, tool="note", fields={"message": "Hi"}),
    )
    (use,) = record.tools
    assert (use.name, use.at_s, use.outcome, use.output) == ("book", 1.0, "ok", "fine")
    assert len(use.arguments) == 2000
    assert record.messages == [{"at_s": 3.0, "tool": "note", "fields": {"message": "Hi"}}]


def test_times_in_safe_mode() -> None:
    record = record_of(
        events.SafeModeEntered(call_id=CALL_ID, at=101.0, tools=["book"]),
        events.SafeModeLeft(call_id=CALL_ID, at=103.5),
    )
    assert record.safe_modes == [{"started_s": 1.0, "ended_s": 3.5, "tools": ["book"]}]


def test_transfers_and_our_own_calls_to_humans() -> None:
    builder = RecordBuilder(received(), INVITED_AT_WALL)
    to_sales: dict[str, Any] = {"call_id": CALL_ID, "target": "sales", "to_number": "+1555"}
    for event in (
        events.TransferStarted(**to_sales, at=105.0, how="refer", summary="wants a bicycle"),
        events.TransferJoined(call_id=CALL_ID, at=109.0, target="sales"),
        events.TransferEnded(**to_sales, at=120.0, how="bridge", outcome="transferred", sip_status=0),
        events.HumanLegEnded(
            call_id=CALL_ID,
            at=120.5,
            to_number="+1555",
            trunk="pbx",
            sip_call_id="sip-2",
            began=106.0,
            answered=None,
            sip_status=486,
            end_reason="not_answered",
        ),
    ):
        builder.apply(event)
    (transfer,), (leg,) = builder.record.transfers, builder.record.legs
    assert (transfer.started_s, transfer.joined_s, transfer.ended_s) == (5.0, 9.0, 20.0)
    assert (transfer.how, transfer.outcome, transfer.summary) == ("bridge", "transferred", "wants a bicycle")
    assert (leg.started_s, leg.answered_s, leg.ended_s, leg.sip_status) == (6.0, None, 20.5, 486)


def test_a_call_that_came_to_another_worker() -> None:
    rehomed = events.LegRehomed(
        call_id=CALL_ID, at=105.0, cause="hung", gap_ms=700, uncounted_ms=250, from_worker=0, to_worker=2
    )
    resumed = events.RecordingResumed(call_id=CALL_ID, at=106.0, lost_at=104.3, missing_ms=800)
    record = record_of(admitted(), ready(), answered(), rehomed, resumed, leg_ended(), ended())
    assert record.rehomings == [
        {
            "at_s": 5.0,
            "cause": "hung",
            "gap_ms": 700,
            "uncounted_ms": 250,
            "from_worker": 0,
            "to_worker": 2,
        }
    ]
    assert record.recording_holes == [{"at_s": 3.5, "missing_ms": 800}]
