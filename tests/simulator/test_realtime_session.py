"""The simulated session on a fake clock: order of events, strictness, interruption, usage."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator import voice
from sipagent.simulator.realtime_options import Call, Fail, Faults, Mcp, Pattern, Say, Tone, Turn

TRANSCRIPTION = "conversation.item.input_audio_transcription"


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def one(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (event,) = [event for event in events if event["type"] == kind]
    return event


def error(events: list[dict[str, Any]]) -> dict[str, Any]:
    return one(events, "error")["error"]


def audio_of(events: list[dict[str, Any]]) -> bytes:
    deltas = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
    return b"".join(base64.b64decode(delta) for delta in deltas)


def without_repeats(names: list[str]) -> list[str]:
    """Runs of the same pair of deltas count once."""
    seen: list[str] = []
    for name in names:
        if not (name.endswith(".delta") and name in seen):
            seen.append(name)
    return seen


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


# --- interruption


def test_the_caller_interrupts(client):
    client.send("response.create")
    client.pass_time(0.45)
    before = len(client.events)
    client.say(ms=100, silence_ms=0)
    after = kinds(client.events[before:])
    begun = after.index("input_audio_buffer.speech_started")
    assert after[begun:] == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]
    response = one(client.events, "response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"]["output_tokens"] > 0


def test_a_session_that_does_not_interrupt_goes_on(new_client):
    client = new_client()
    client.configure(interrupt_response=False)
    client.send("response.create")
    client.pass_time(0.35)
    client.say(ms=100, silence_ms=0)
    client.pass_time(5)
    assert one(client.events, "response.done")["response"]["status"] == "completed"


def test_a_turn_that_ends_while_a_response_runs_cannot_start_another(new_client, patterns):
    client = new_client(patterns(60000))
    client.configure(interrupt_response=False)
    client.send("response.create")
    heard = client.say()
    assert error(heard)["code"] == "conversation_already_has_active_response"


def test_vad_without_responses(new_client):
    client = new_client()
    client.configure(create_response=False)
    assert "response.created" not in kinds(client.say())


def test_cancel(client):
    created = one(client.send("response.create"), "response.created")
    client.pass_time(0.35)
    done = one(client.send("response.cancel", response_id=created["response"]["id"]), "response.done")
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert client.pass_time(5) == []
    assert error(client.send("response.cancel"))["code"] == "response_cancel_not_active"


def test_one_response_at_a_time(client):
    client.send("response.create")
    fault = error(client.send("response.create", event_id="again"))
    assert (fault["code"], fault["event_id"]) == ("conversation_already_has_active_response", "again")


def test_out_of_band_responses_run_beside_it_and_leave_no_items(client):
    client.send("response.create")
    client.send("response.create", response={"conversation": "none", "metadata": {"topic": "x"}})
    client.pass_time(5)
    done = [event["response"] for event in client.events if event["type"] == "response.done"]
    assert sorted(str(response["conversation_id"]) for response in done) == ["None", "conv_1"]
    assert kinds(client.events).count("conversation.item.added") == 1


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_truncation(client, status):
    client.send("response.create")
    client.pass_time(5 if status == "completed" else 0.5)
    if status == "incomplete":
        client.send("response.cancel")
    item = one(client.events, "response.output_item.done")["item"]
    assert item["status"] == status
    generated_ms = len(audio_of(client.events)) // 8
    too_far = client.send(
        "conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=generated_ms + 1
    )
    text = f"Audio content of {generated_ms}ms is already shorter than {generated_ms + 1}ms"
    assert error(too_far)["message"] == text
    (truncated,) = client.send(
        "conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=150
    )
    assert (truncated["type"], truncated["audio_end_ms"]) == ("conversation.item.truncated", 150)
    (retrieved,) = client.send("conversation.item.retrieve", item_id=item["id"])
    assert "transcript" not in retrieved["item"]["content"][0], "the model forgets the unheard words"


def test_truncation_while_it_is_generated(client):
    client.send("response.create")
    client.pass_time(0.35)
    item_id = one(client.events, "response.output_item.added")["item"]["id"]
    (truncated,) = client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
    assert truncated["type"] == "conversation.item.truncated"
    client.pass_time(5)
    assert one(client.events, "response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("item_id", "content_index", "audio_end_ms"),
    [("nobody", 0, 1), ("u1", 0, 1), (None, 1, 1), (None, 0, -1)],
)
def test_truncations_that_make_no_sense(client, item_id, content_index, audio_end_ms):
    content = [{"type": "input_text", "text": "Hi"}]
    client.send(
        "conversation.item.create", item={"id": "u1", "type": "message", "role": "user", "content": content}
    )
    client.send("response.create")
    client.pass_time(5)
    item_id = item_id or one(client.events, "response.output_item.done")["item"]["id"]
    heard = client.send(
        "conversation.item.truncate", item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms
    )
    assert kinds(heard) == ["error"]


# --- the rest


def test_items_are_made_found_and_deleted(client):
    content = [{"type": "input_text", "text": "Hi"}]
    item = {"type": "message", "role": "user", "content": content}
    made = client.send("conversation.item.create", item={**item, "id": "m1"})
    assert kinds(made) == ["conversation.item.added", "conversation.item.done"]
    client.send("conversation.item.create", item={**item, "id": "m0"}, previous_item_id="root")
    again = client.send("conversation.item.create", item={**item, "id": "m1"})
    assert error(again)["code"] == "item_create_duplicate_item_id"
    behind = client.send("conversation.item.create", item={**item, "id": "m2"}, previous_item_id="m0")
    assert one(behind, "conversation.item.added")["previous_item_id"] == "m0"
    assert kinds(client.send("conversation.item.delete", item_id="m1")) == ["conversation.item.deleted"]
    assert error(client.send("conversation.item.retrieve", item_id="m1"))["code"] == "item_not_found"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "song"},
        {"type": "message", "role": "king", "content": []},
        {"type": "message", "role": "user", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call_output", "call_id": "c1", "output": {"a": 1}},
        "text",
    ],
)
def test_items_that_are_refused(client, item):
    heard = client.send_raw(json.dumps({"type": "conversation.item.create", "item": item}))
    assert kinds(heard) == ["error"]


def test_commit_by_hand(new_client):
    client = new_client()
    client.configure()
    audio = {"input": {"turn_detection": None}}
    client.send("session.update", session={"type": "realtime", "audio": audio})
    assert error(client.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"
    assert kinds(client.say(ms=200, silence_ms=0)) == []
    made = kinds(client.send("input_audio_buffer.commit"))
    assert made == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    client.say(ms=200, silence_ms=0)
    assert kinds(client.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert error(client.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"


def test_the_voice_is_fixed_once_it_was_heard(client):
    change = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert kinds(client.send("session.update", session=change)) == ["session.updated"]
    client.send("response.create")
    client.pass_time(5)
    change["audio"]["output"]["voice"] = "ash"
    assert error(client.send("session.update", session=change))["code"] == "cannot_update_voice"


def test_a_function_call(new_client):
    script = [
        Turn(reply=[Call(call="lookup", arguments={"day": "Monday"})]),
        Turn(reply=[Say(say="Nine to five.")]),
    ]
    client = new_client(script)
    client.configure()
    client.send("response.create")
    client.pass_time(1)
    done = one(client.events, "response.function_call_arguments.done")
    assert json.loads(done["arguments"]) == {"day": "Monday"}
    output = {"type": "function_call_output", "call_id": done["call_id"], "output": "9-17"}
    client.send("conversation.item.create", item=output)
    client.send("response.create")
    client.pass_time(5)
    assert one(client.events, "response.output_audio_transcript.done")["transcript"] == "Nine to five."


@pytest.mark.parametrize("error", [None, "no such day"])
def test_a_tool_that_the_host_runs(new_client, error):
    use = Mcp(mcp="diary", tool="lookup", arguments={"day": "Monday"}, output="9-17", error=error)
    client = new_client([Turn(reply=[use, Say(say="Nine to five.")])])
    client.configure()
    client.send("response.create")
    client.pass_time(5)
    done = one(client.events, "response.mcp_call.failed" if error else "response.mcp_call.completed")
    (item,) = [
        event["item"]
        for event in client.events
        if event["type"] == "response.output_item.done" and event["item"]["id"] == done["item_id"]
    ]
    assert (item["type"], item["server_label"], item["name"]) == ("mcp_call", "diary", "lookup")
    assert json.loads(item["arguments"]) == {"day": "Monday"}
    assert item["output"] == (None if error else "9-17")
    assert (item["error"] or {}).get("message") == error


def test_a_failing_response(new_client):
    client = new_client([Turn(reply=[Fail(fail="rate_limit_exceeded", message="Slow down.")])])
    client.send("response.create")
    client.pass_time(1)
    response = one(client.events, "response.done")["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"]["code"] == "rate_limit_exceeded"


def test_a_caller_nobody_understood(new_client):
    client = new_client([Turn(heard=None, reply=[Tone(tone_hz=440, duration_ms=100)])])
    client.configure()
    client.say()
    client.pass_time(5)
    assert one(client.events, f"{TRANSCRIPTION}.failed")["error"]["code"] == "audio_unintelligible"


def test_an_idle_caller_is_prompted_after_the_reply_should_have_been_heard(new_client):
    client = new_client()
    client.configure(idle_timeout_ms=5000)
    client.send("response.create")
    start = client.now
    before = len(client.pass_time(7.2))
    assert before
    assert "input_audio_buffer.timeout_triggered" not in kinds(client.events)
    heard = client.pass_time(0.2)
    assert kinds(heard)[:2] == ["input_audio_buffer.timeout_triggered", "input_audio_buffer.committed"]
    assert "response.created" in kinds(heard)
    assert client.now - start == pytest.approx(0.3 + 2.0 + 5.0, abs=0.2)


def test_expiry(new_client):
    client = new_client(faults=Faults(expire_after_s=10))
    assert client.session.close_request is None
    assert error(client.pass_time(11))["code"] == "session_expired"
    assert client.session.close_request[0] == 1001


def test_delays_before_created_and_updated(new_client):
    client = new_client(faults=Faults(created_delay_s=1, updated_delay_s=2))
    assert client.events == []
    client.pass_time(1)
    client.send("session.update", session={"type": "realtime"})
    assert kinds(client.events) == ["session.created"]
    client.pass_time(2)
    assert kinds(client.events) == ["session.created", "session.updated"]


def test_the_same_seed_makes_the_same_session(new_client, patterns):
    logs = []
    for _ in range(2):
        client = new_client(patterns(500))
        client.configure()
        client.say()
        client.pass_time(5)
        logs.append(client.events)
    assert logs[0] == logs[1]


def test_deltas_are_obfuscated_unless_told_otherwise(new_client):
    for obfuscation in (True, False):
        client = new_client([Turn(reply=[Pattern(pattern_ms=400)])], obfuscation=obfuscation)
        client.send("response.create")
        client.pass_time(5)
        deltas = [event for event in client.events if event["type"].endswith(".delta")]
        assert all(("obfuscation" in event) == obfuscation for event in deltas)
