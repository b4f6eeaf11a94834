"""What receivers are told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from sipagent import events
from sipagent.call.record.builder import RecordBuilder
from sipagent.call.record.outward import name_of
from sipagent.config import RedactionConfig, WebhookConfig
from sipagent.outbound.dial import OVER, CancelAsked, after
from sipagent.webhooks.messages import (
    ENDED,
    RECORDING,
    TEST,
    TRANSCRIPT,
    TRUNK_STATE,
    Story,
    of_dial,
    of_record,
    of_trunk,
)
from tests.call import stories
from tests.outbound import dials

DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"
WALL = stories.INVITED_AT_WALL
KINDS: tuple[type[Any], ...] = get_args(events.Event)


def endpoint(*patterns: str, **values: Any) -> WebhookConfig:
    return WebhookConfig.model_validate(
        {"name": "crm", "url": "https://crm.example", "secret": {"env": "X"}, "events": patterns or ("*",)}
        | values
    )


def told(
    happened: list[events.Event], to: WebhookConfig | None = None, **policy: Any
) -> list[tuple[str, dict[str, Any]]]:
    """Ids and contents of the messages that a call's events lead to."""
    first, *_ = happened
    assert isinstance(first, events.CallReceived)
    story = Story(first, WALL, RedactionConfig(**policy))
    sent = [message for event in happened for _, message in story.messages(event, (to or endpoint(),))]
    return [(message.message_id, msgspec.json.decode(message.body)) for message in sent]


def record(*happened: events.Event, **changes: Any) -> dict[str, Any]:
    builder = RecordBuilder(stories.received(), WALL)
    for event in happened:
        builder.apply(event)
    entry: dict[str, Any] = msgspec.to_builtins(builder.record)
    return entry | changes


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (events.CallAnswered, "call.answered"),
        (events.MediaUpdated, "media.updated"),
        (events.AgentSpeechEnded, "agent.speech_ended"),
        (events.ToolCalled, "tool.called"),
        (events.Transcript, "transcript.added"),
    ],
)
def test_names_are_those_of_events_with_a_dot(kind: type[Any], name: str) -> None:
    assert name_of(kind) == name


def test_no_two_events_have_one_name_and_patterns_can_tell_them() -> None:
    names = [name_of(kind) for kind in KINDS]
    assert len(set(names)) == len(names)
    assert all(endpoint(name).events == (name,) for name in names)


def test_the_docs_list_every_name_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", DOCS.read_text(), re.MULTILINE)
    derived = {ENDED, TRANSCRIPT, RECORDING, TRUNK_STATE, TEST, *(f"dial.{state}" for state in OVER)}
    assert sorted(listed) == sorted({name_of(kind) for kind in KINDS} | derived)


def test_a_message_says_which_call_and_what_happened() -> None:
    messages = told([stories.received(), stories.admitted(), stories.answered()])
    assert [(message_id, body["type"]) for message_id, body in messages] == [
        ("msg_c-1_1", "call.received"),
        ("msg_c-1_2", "call.admitted"),
        ("msg_c-1_3", "call.answered"),
    ]
    body = messages[-1][1]
    assert body["timestamp"] == "2026-03-01T12:00:00.250Z"
    assert body["data"]["sequence"] == 3
    assert body["data"]["codec"] == "PCMU"
    call = body["data"]["call"]
    assert (call["call_id"], call["from"], call["to"]) == ("c-1", "+15559999", "100")
    assert (call["agent"], call["direction"], call["call_status"]) == ("echo", "inbound", "in-progress")


def test_an_id_depends_on_the_call_alone_and_not_on_who_listens() -> None:
    happened = [stories.received(), stories.admitted(), stories.ready(), stories.answered()]
    everything, (answered,) = told(happened), told(happened, endpoint("call.answered"))
    assert answered == everything[-1]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("call.*",), ["call.received", "call.answered"]),
        (("transcript.added",), ["transcript.added"]),
        (("*",), ["call.received", "call.answered", "transcript.added"]),
    ],
)
def test_an_endpoint_gets_what_it_asks_for(patterns: tuple[str, ...], names: list[str]) -> None:
    happened = [stories.received(), stories.answered(), stories.said("caller", "i-1", "Hello")]
    assert [body["type"] for _, body in told(happened, endpoint(*patterns))] == names


def test_the_end_comes_from_the_record_alone() -> None:
    assert [body["type"] for _, body in told([stories.received(), stories.ended()])] == ["call.received"]
    messages = list(of_record(record(stories.answered(), stories.ended()), endpoint()))
    assert [message.type for message in messages] == [ENDED]
    body = msgspec.json.decode(messages[0].body)
    assert messages[0].message_id == "msg_c-1_call_ended"
    assert body["timestamp"] == "2026-03-01T12:00:10.250Z"
    assert body["data"]["record"]["end_reason"] == "caller_hung_up"
    assert body["data"]["call"]["duration_s"] == 10.0


def test_recording_and_transcript_go_before_the_end() -> None:
    finished = record(
        stories.answered(),
        stories.said("caller", "i-1", "Hello"),
        stories.ended(),
        recording="/r/c-1.wav",
        transcript="/t/c-1.jsonl",
    )
    messages = list(of_record(finished, endpoint()))
    assert [message.type for message in messages] == [RECORDING, TRANSCRIPT, ENDED]
    (turn,) = msgspec.json.decode(messages[1].body)["data"]["turns"]
    assert (turn["role"], turn["text"]) == ("caller", "Hello")
    assert {message.lane for message in messages} == {"c-1"}


@pytest.mark.parametrize("by", ["endpoint", "policy"])
def test_numbers_are_masked_where_asked_but_for_ours(by: str) -> None:
    to = endpoint(numbers="mask") if by == "endpoint" else endpoint()
    policy = {"caller_numbers": "mask"} if by == "policy" else {}
    (_, body), *_ = told([stories.received()], to, **policy)
    assert body["data"]["from_number"] == body["data"]["call"]["from"] == "+15***99"
    assert body["data"]["call"]["call_id"] == "c-1"


def test_numbers_of_a_record_are_masked_too() -> None:
    (message,) = of_record(record(stories.ended()), endpoint(numbers="mask"))
    assert b"+15559999" not in message.body
    assert b"c-1" in message.body


def test_what_policy_drops_is_not_told() -> None:
    pressed = events.DigitReceived(call_id="c-1", at=101.0, digit="7", duration_ms=100)
    happened = [stories.received(), stories.said("caller", "i-1", "Hello"), pressed]
    messages = [body for _, body in told(happened, transcripts="drop", digits="mask")]
    assert [body["type"] for body in messages] == ["call.received", "digit.received"]
    assert messages[-1]["data"]["digit"] == "***"


def test_a_trunk_has_a_lane_of_its_own() -> None:
    state = events.TrunkStateChanged(at=1.0, trunk="pbx", registered=True, sip_status=200, detail="OK")
    message = of_trunk(state, WALL)
    assert (message.type, message.lane) == (TRUNK_STATE, "trunk:pbx")
    assert msgspec.json.decode(message.body)["data"]["registered"] is True


def test_a_dial_that_is_over_is_told_as_it_is_shown() -> None:
    over = after(dials.dial(campaign="autumn"), CancelAsked(dials.NOW + 5))
    message = of_dial(over, dials.NOW + 5, RedactionConfig())
    assert (message.type, message.message_id, message.lane) == ("dial.cancelled", "msg_dial_d-1", "dial:d-1")
    told = msgspec.json.decode(message.body)["data"]["dial"]
    assert (told["state"], told["to"], told["campaign"]) == ("cancelled", dials.TO, "autumn")
    masked = of_dial(over, dials.NOW + 5, RedactionConfig(caller_numbers="mask"))
    assert dials.TO not in masked.body.decode()
