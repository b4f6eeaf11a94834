"""The simulated session when it is interrupted, cancelled and truncated."""

from __future__ import annotations

import pytest

from tests.simulator.sent_events import audio_of, error, kinds, one


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
