"""The simulated session on a fake clock: set-up, strictness, the order of events in a turn, usage."""

from __future__ import annotations

import base64
import json

import pytest

from sipagent.formats import ULAW
from sipagent.simulator import voice
from tests.simulator.sent_events import TRANSCRIPTION, audio_of, error, kinds, one, without_repeats

# --- set-up


def test_the_server_speaks_first(new_client):
    created = new_client().events[0]
    assert created["type"] == "session.created"
    assert created["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


def test_an_update_changes_only_what_is_in_it(new_client):
    client = new_client()
    before = client.events[0]["session"]
    (updated,) = client.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
    assert updated["type"] == "session.updated"
    assert updated["session"] == {**before, "instructions": "Be brief."}


def test_turn_detection_is_resolved_in_full(new_client):
    turns = {"type": "semantic_vad", "eagerness": "low"}
    session = {"type": "realtime", "audio": {"input": {"turn_detection": turns}}}
    (updated,) = new_client().send("session.update", session=session)
    assert updated["session"]["audio"]["input"]["turn_detection"] == {
        **turns,
        "create_response": True,
        "interrupt_response": True,
    }


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "realtime", "foo": 1}, "unknown_parameter", "session.foo"),
        ({"type": "realtime", "voice": "marin"}, "unknown_parameter", "session.voice"),
        ({"type": "realtime", "modalities": ["audio"]}, "unknown_parameter", "session.modalities"),
        (
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
            "unknown_parameter",
            "session.audio.input.format.rate",
        ),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad", "x": 1}}}},
            "unknown_parameter",
            "session.audio.input.turn_detection.x",
        ),
        (
            {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 1}}},
            },
            "unknown_parameter",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"type": "realtime", "audio": {"output": {"voice": "nobody"}}},
            "invalid_value",
            "session.audio.output.voice",
        ),
        (
            {"type": "realtime", "audio": {"output": {"format": {"type": "g711_ulaw"}}}},
            "invalid_value",
            "session.audio.output.format.type",
        ),
        ({"type": "realtime", "max_output_tokens": 5000}, "invalid_value", "session.max_output_tokens"),
        (
            {"type": "realtime", "output_modalities": ["audio", "text"]},
            "invalid_value",
            "session.output_modalities",
        ),
        ({"type": "realtime", "model": "other"}, "invalid_value", "session.model"),
        ({"instructions": "x"}, "missing_required_parameter", "session.type"),
        ("hello", "invalid_type", "session"),
    ],
)
def test_what_a_session_update_may_not_say(new_client, session, code, param):
    message = {"type": "session.update", "event_id": "mine", "session": session}
    fault = error(new_client().send_raw(json.dumps(message)))
    assert (fault["code"], fault["param"], fault["event_id"]) == (code, param, "mine")


@pytest.mark.parametrize(
    ("data", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_event", None),
        ("{}", "invalid_event", None),
        ('{"type": "response.dance"}', "invalid_value", "type"),
        ('{"type": 5}', "invalid_value", "type"),
        ('{"type": "response.cancel", "why": 1}', "unknown_parameter", "why"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": 1}', "invalid_value", "audio"),
        (
            '{"type": "response.create", "response": {"voice": "marin"}}',
            "unknown_parameter",
            "response.voice",
        ),
    ],
)
def test_what_no_client_may_send(client, data, code, param):
    fault = error(client.send_raw(data))
    assert (fault["code"], fault["param"]) == (code, param)


# --- a turn


def test_the_order_of_a_spoken_turn(client):
    before = len(client.events)
    client.say()
    client.pass_time(5)
    assert without_repeats(kinds(client.events[before:])) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
        f"{TRANSCRIPTION}.delta",
        f"{TRANSCRIPTION}.completed",
    ]


def test_the_caller_item_keeps_its_id(client):
    heard = client.say()
    started, committed = (
        one(heard, "input_audio_buffer.speech_started"),
        one(heard, "input_audio_buffer.committed"),
    )
    added = next(event["item"] for event in heard if event["type"] == "conversation.item.added")
    assert started["item_id"] == committed["item_id"] == added["id"]


def test_times_count_appended_audio(client):
    client.say(ms=0, silence_ms=1000)
    client.pass_time(60)
    heard = client.say(ms=400, silence_ms=300)
    assert one(heard, "input_audio_buffer.speech_started")["audio_start_ms"] == 1000 - 300
    assert one(heard, "input_audio_buffer.speech_stopped")["audio_end_ms"] == 1400 + 200


def test_transcription_may_come_after_the_reply_began(client):
    client.say()
    client.pass_time(5)
    names = kinds(client.events)
    assert names.index("response.output_audio.delta") < names.index(f"{TRANSCRIPTION}.completed")


def test_audio_comes_in_bursts_much_faster_than_it_plays(client):
    client.send("response.create")
    start = client.now
    while "response.done" not in kinds(client.events):
        client.pass_time(0.01)
    assert client.now - start == pytest.approx(0.3 + 2.0 / 8, abs=0.02)
    deltas = [event["delta"] for event in client.events if event["type"] == "response.output_audio.delta"]
    sizes_ms = [len(base64.b64decode(delta)) // 8 for delta in deltas]
    assert all(200 <= size <= 400 for size in sizes_ms[:-1])


def test_a_pattern_is_known_and_differs_from_item_to_item(new_client, patterns):
    client = new_client(patterns(1000, 500))
    client.configure()
    client.send("response.create")
    client.pass_time(3)
    assert audio_of(client.events) == voice.pattern(1, 1000, ULAW) + voice.pattern(2, 500, ULAW)
    assert len({event["item_id"] for event in client.events if event["type"].endswith("audio.done")}) == 2


def test_what_it_is_told_to_say_it_says(client):
    client.send("response.create", response={"instructions": "Say exactly: Good morning."})
    client.pass_time(5)
    assert one(client.events, "response.output_audio_transcript.done")["transcript"] == "Good morning."


def test_usage_follows_the_token_rates(client):
    client.say(ms=1000, silence_ms=300)
    client.pass_time(5)
    usage = one(client.events, "response.done")["response"]["usage"]
    assert usage["output_token_details"]["audio_tokens"] == 2000 // 50
    assert usage["input_token_details"]["audio_tokens"] == 1200 // 100
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    heard = one(client.events, f"{TRANSCRIPTION}.completed")["usage"]
    assert heard["input_token_details"]["audio_tokens"] == 1200 // 100


def test_each_response_is_billed_for_the_whole_conversation(client):
    for _ in range(3):
        client.say()
        client.pass_time(5)
    billed = [event["response"]["usage"] for event in client.events if event["type"] == "response.done"]
    inputs = [usage["input_tokens"] for usage in billed]
    assert inputs == sorted(set(inputs))
