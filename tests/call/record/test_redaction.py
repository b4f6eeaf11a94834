"""What policy keeps out of call records."""

from __future__ import annotations

from typing import Any

from sipagent import events
from sipagent.call.record.call_record import CallRecord, ToolUse, Turn
from sipagent.call.record.outward import fields_of
from sipagent.call.record.redaction import masked, redacted_record
from sipagent.call.record.transfers import Transfer
from sipagent.config import RedactionConfig

CALLER, OURS = "+442079460123", "+442079460999"


def record(**fields: Any) -> CallRecord:
    said = Turn(role="caller", item_id="i1", started_s=1.0, text=f"Call me on {CALLER} or 02079460123")
    return CallRecord(
        call_id="1234567890",
        direction="inbound",
        from_=CALLER,
        to=OURS,
        route=f"pbx/{OURS} -> desk",
        sip_call_id="9876543210",
        source="192.0.2.1:5060/udp",
        received_at="2026-03-01T12:00:00.000Z",
        detail=f"diverted by {CALLER}",
        turns=[said],
        digits=[{"at_s": 1.0, "digit": "5", "duration_ms": 100, "method": "rfc4733"}],
        digits_sent=[{"at_s": 2.0, "digits": "123#", "method": "info"}],
        transcript="/x/2026-03-01/1234567890.jsonl",
        **fields,
    )


def test_nothing_is_redacted_unless_policy_says_so() -> None:
    entry = redacted_record(record(), RedactionConfig())
    assert (entry["from"], entry["digits"][0]["digit"]) == (CALLER, "5")
    assert CALLER in entry["turns"][0]["text"]


def test_callers_numbers_are_masked_wherever_they_stand_and_ours_is_not() -> None:
    entry = redacted_record(record(), RedactionConfig(caller_numbers="mask"))
    assert (entry["from"], entry["to"]) == ("+44***23", OURS)
    assert entry["detail"] == "diverted by +44***23"
    assert entry["turns"][0]["text"] == "Call me on +44***23 or 02***23"
    assert (entry["call_id"], entry["sip_call_id"]) == ("1234567890", "9876543210")
    assert entry["route"] == f"pbx/{OURS} -> desk"
    assert entry["received_at"] == "2026-03-01T12:00:00.000Z"


def test_of_an_outbound_call_it_is_the_called_number_that_is_masked() -> None:
    outbound = record()
    outbound.direction, outbound.from_, outbound.to = "outbound", OURS, CALLER
    entry = redacted_record(outbound, RedactionConfig(caller_numbers="mask"))
    assert (entry["from"], entry["to"]) == (OURS, "+44***23")


def test_transcripts_are_dropped_and_turns_stay() -> None:
    entry = redacted_record(record(), RedactionConfig(transcripts="drop"))
    assert entry["transcript"] is None
    assert [(turn["item_id"], turn["text"]) for turn in entry["turns"]] == [("i1", None)]


def test_digits_are_masked() -> None:
    entry = redacted_record(record(), RedactionConfig(digits="mask"))
    assert (entry["digits"][0]["digit"], entry["digits_sent"][0]["digits"]) == ("***", "***")
    assert entry["digits"][0]["method"] == "rfc4733"


def test_in_a_message_numbers_are_masked_and_nothing_else() -> None:
    message = f"INVITE sip:{OURS}@192.0.2.1:5060 SIP/2.0\r\nFrom: <sip:{CALLER}@192.0.2.9>;tag=a1\r\n"
    assert masked(message, {OURS}) == message.replace(CALLER, "+44***23")


def test_what_was_said_to_tools_and_by_them_goes_with_the_transcript() -> None:
    use = ToolUse(tool_call_id="t", name="book", at_s=1.0, arguments='{"name": "Ann"}', output="Ann, table 7")
    policy = RedactionConfig(transcripts="drop")
    (dropped,) = redacted_record(record(tools=[use]), policy)["tools"]
    assert (dropped["name"], dropped["arguments"], dropped["output"]) == ("book", "", None)
    told: dict[str, Any] = {"call_id": "c-1", "at": 1.0, "tool_call_id": "t", "name": "book"}
    called = fields_of(events.ToolCalled(**told, arguments='{"name": "Ann"}'), policy)
    answered = fields_of(events.ToolAnswered(**told, outcome="ok", duration_ms=1.0, output="Ann"), policy)
    assert called is not None
    assert called["arguments"] == ""
    assert answered is not None
    assert answered["output"] is None


def test_what_a_transfer_was_about_goes_with_the_transcript() -> None:
    transfer = Transfer(target="sales", to="100", how="refer", started_s=5.0, summary="wants a bicycle")
    (kept,) = redacted_record(record(transfers=[transfer]), RedactionConfig())["transfers"]
    (dropped,) = redacted_record(record(transfers=[transfer]), RedactionConfig(transcripts="drop"))[
        "transfers"
    ]
    assert (kept["summary"], dropped["summary"], dropped["target"]) == ("wants a bicycle", "", "sales")
