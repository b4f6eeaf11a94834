"""The OpenAI Realtime protocol without a socket: turns, who asks for a response, tools and context."""

from __future__ import annotations

import base64
import json

from sipagent.backends.base import (
    AudioFinished,
    AudioReceived,
    CallerSpeechStarted,
    CallerSpeechStopped,
    ResponseFinished,
    ResponseStarted,
    ToolCalled,
    TranscriptFinished,
    UsageCounted,
)
from sipagent.conversation import Noted, Said, ToolUsed
from tests.backends.openai_messages import TRANSCRIBED, kinds

# --- a turn


def test_a_spoken_turn(talk, says):
    usage = {"total_tokens": 10}
    heard = talk.hear(
        says.speech_started("u1", 700),
        says.speech_stopped("u1", 1900),
        says.created(),
        says.text("Good "),
        says.audio(200),
        says.text("day."),
        says.audio(100),
        says.audio_done(),
        says.text_done("Good day."),
        {"type": "response.output_item.done", "item": {"id": "i1", "content": [{"transcript": "Good day."}]}},
        {"type": f"{TRANSCRIBED}.completed", "item_id": "u1", "transcript": "Hello", "usage": {"seconds": 1}},
        says.done(usage=usage),
    )
    assert heard == [
        CallerSpeechStarted(item_id="u1", audio_ms=700),
        CallerSpeechStopped(item_id="u1", audio_ms=1900),
        ResponseStarted(response_id="r1"),
        AudioReceived(item_id="i1", content_index=0, audio=b"\x55" * 1600),
        AudioReceived(item_id="i1", content_index=0, audio=b"\x55" * 800),
        AudioFinished(item_id="i1", content_index=0),
        TranscriptFinished(role="agent", item_id="i1", text="Good day."),
        TranscriptFinished(role="caller", item_id="u1", text="Hello"),
        UsageCounted(source="transcription", usage={"seconds": 1}, model="gpt-transcribe"),
        UsageCounted(source="response", usage=usage, model="gpt-realtime-2.1"),
        ResponseFinished(response_id="r1", status="completed"),
    ]


def test_beta_names_of_deltas_are_understood(talk, says):
    text = {**says.text("Hi"), "type": "response.audio_transcript.delta"}
    done = {**says.audio_done(), "type": "response.audio.done"}
    heard = talk.hear(says.created(), says.audio(20, type="response.audio.delta"), text, done, says.done())
    assert heard[1:4] == [
        AudioReceived(item_id="i1", content_index=0, audio=b"\x55" * 160),
        AudioFinished(item_id="i1", content_index=0),
        TranscriptFinished(role="agent", item_id="i1", text="Hi"),
    ]


def test_done_events_of_parts_are_not_required(talk, says):
    heard = talk.hear(says.created(), says.text("Hi"), says.audio(20), says.done())
    assert heard[2:4] == [
        AudioFinished(item_id="i1", content_index=0),
        TranscriptFinished(role="agent", item_id="i1", text="Hi"),
    ]


def test_caller_audio_is_one_append(talk):
    frame = bytes(range(160))
    message = json.loads(talk.protocol.audio_message(frame))
    assert message == {"type": "input_audio_buffer.append", "audio": base64.b64encode(frame).decode()}


# --- who asks for a response


def test_greeting(new_talk):
    talk = new_talk(greeting="Welcome!")
    talk.protocol.greet()
    (create,) = talk.sent()
    assert create["type"] == "response.create"
    assert create["response"] == {"instructions": "Say exactly: Welcome!", "tool_choice": "none"}


def test_without_a_greeting_the_caller_speaks_first(talk):
    talk.protocol.greet()
    assert talk.sent() == []


def test_digits_become_messages_and_one_response(talk, says):
    for digit in "12":
        talk.protocol.send_digit(digit)
    assert kinds(talk.sent()) == ["conversation.item.create", "response.create", "conversation.item.create"]
    talk.hear(says.created())
    talk.protocol.send_digit("3")
    assert kinds(talk.sent()) == ["conversation.item.create"]
    talk.hear(says.done())
    assert kinds(talk.sent()) == ["response.create"], "2 and 3 are answered together, after 1"


def test_a_request_that_collides_is_repeated_after_the_running_response(talk, says):
    talk.protocol.send_digit("1")
    talk.sent()
    assert talk.hear(says.error("conversation_already_has_active_response"), says.created("r2")) == [
        ResponseStarted(response_id="r2")
    ]
    assert talk.sent() == []
    talk.hear(says.done("r2"))
    assert kinds(talk.sent()) == ["response.create"]


def test_a_greeting_that_collides_is_not_repeated(new_talk, says):
    talk = new_talk(greeting="Welcome!")
    talk.protocol.greet()
    talk.sent()
    talk.hear(says.error("conversation_already_has_active_response"), says.created("r2"), says.done("r2"))
    assert talk.sent() == []


def test_a_rejected_request_does_not_block_the_next(talk, says):
    talk.protocol.send_digit("1")
    event_id = talk.sent()[1]["event_id"]
    talk.hear(says.error("invalid_value", event_id=event_id))
    talk.protocol.send_digit("2")
    assert kinds(talk.sent()) == ["conversation.item.create", "response.create"]


# --- tools, context, and words from outside


def test_a_tool_call_is_told_and_one_response_follows_all_answers(talk, says):
    call = {"type": "function_call", "status": "completed", "name": "lookup", "arguments": '{"a":1}'}
    first, second = {**call, "id": "f1", "call_id": "c1"}, {**call, "id": "f2", "call_id": "c2"}
    done = {"type": "response.output_item.done", "response_id": "r1", "output_index": 0}
    heard = talk.hear(says.created(), {**done, "item": first}, {**done, "item": second})
    assert heard[1:] == [
        ToolCalled(tool_call_id=number, name="lookup", arguments='{"a":1}') for number in ("c1", "c2")
    ]
    talk.protocol.answer_tool("c2", "no")
    talk.hear(says.done())
    (output,) = talk.sent()
    assert output["item"] == {"type": "function_call_output", "call_id": "c2", "output": "no"}
    talk.protocol.answer_tool("c1", "yes")
    assert kinds(talk.sent()) == ["conversation.item.create", "response.create"]


def test_a_tool_call_that_was_cut_off_is_not_run(talk, says):
    item = {"type": "function_call", "status": "incomplete", "name": "lookup", "call_id": "c1", "id": "f1"}
    done = {"type": "response.output_item.done", "response_id": "r1", "output_index": 0, "item": item}
    assert not [e for e in talk.hear(says.created(), done) if isinstance(e, ToolCalled)]


def test_words_to_say_do_not_wait_for_tools(talk, says):
    item = {"type": "function_call", "status": "completed", "name": "lookup", "call_id": "c1", "id": "f1"}
    done = {"type": "response.output_item.done", "response_id": "r1", "output_index": 0, "item": item}
    talk.hear(says.created(), done, says.done())
    talk.protocol.say("One moment.")
    (create,) = talk.sent()
    assert create["response"] == {"instructions": "Say exactly: One moment.", "tool_choice": "none"}


def test_words_that_collide_are_said_after_the_running_response(talk, says):
    talk.protocol.say("Goodbye.")
    talk.sent()
    talk.hear(says.error("conversation_already_has_active_response"), says.created("r2"))
    assert talk.sent() == []
    talk.hear(says.done("r2"))
    assert kinds(talk.sent()) == ["response.create"]


def test_context_is_a_system_message_and_answered_if_asked_for(talk):
    talk.protocol.inject("She is a gold customer.", respond=False)
    (create,) = talk.sent()
    assert create["item"]["role"] == "system"
    talk.protocol.inject("Tell her now.", respond=True)
    assert kinds(talk.sent()) == ["conversation.item.create", "response.create"]


def test_instructions_are_replaced(talk):
    talk.protocol.instruct("The tools are down.")
    (update,) = talk.sent()
    assert update["session"] == {"type": "realtime", "instructions": "The tools are down."}


def test_a_session_that_takes_over_knows_what_was_said(new_talk):
    past = [
        Said(role="caller", text="Hello?"),
        Said(role="agent", text="Good day."),
        Noted(text="[The caller pressed the key 5]"),
        ToolUsed(tool_call_id="c1", name="lookup", arguments="{}", output="42"),
    ]
    talk = new_talk(history=past)
    items = [message["item"] for message in talk.sent()]
    assert [(item["type"], item.get("role")) for item in items] == [
        ("message", "user"),
        ("message", "assistant"),
        ("message", "system"),
        ("function_call", None),
        ("function_call_output", None),
    ]
    assert items[1]["content"] == [{"type": "output_text", "text": "Good day."}]
