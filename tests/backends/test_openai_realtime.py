"""The OpenAI Realtime protocol without a socket: turns, barge-in, errors, rubbish."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sipagent.backends.base import (
    AudioFinished,
    AudioReceived,
    BackendLost,
    CallerSpeechStarted,
    CallerSpeechStopped,
    ProblemReported,
    ResponseFinished,
    ResponseStarted,
    SessionReady,
    ToolCalled,
    TranscriptFinished,
    UsageCounted,
)
from sipagent.conversation import Noted, Said, ToolUsed
from sipagent.formats import ALAW, ULAW, AudioFormat

PCM24 = AudioFormat("pcm", 24000)
TRANSCRIBED = "conversation.item.input_audio_transcription"


def truncations(messages: list[dict[str, Any]]) -> list[tuple[str, int]]:
    kind = "conversation.item.truncate"
    return [(each["item_id"], each["audio_end_ms"]) for each in messages if each["type"] == kind]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


# --- set-up


def test_asks_for_its_session_once_the_server_has_spoken(new_talk):
    talk = new_talk(ready=False, instructions="Be kind.", voice="cedar")
    assert talk.sent() == []
    talk.hear({"type": "session.created", "session": {"id": "sess_1"}})
    (update,) = talk.sent()
    assert update["type"] == "session.update"
    assert update["session"]["instructions"] == "Be kind."
    assert update["session"]["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "cedar"}


def test_configures_once_even_if_the_hello_comes_late(new_talk):
    talk = new_talk(ready=False)
    talk.protocol.configure()
    talk.hear({"type": "session.created", "session": {}})
    assert kinds(talk.sent()) == ["session.update"]


def test_is_ready_when_the_session_is_updated_and_only_once(new_talk):
    talk = new_talk(ready=False)
    updated = {"type": "session.updated", "session": {"id": "sess_1", "expires_at": 1790000000}}
    assert talk.hear(updated) == [SessionReady(session_id="sess_1", expires_at=1790000000.0)]
    assert talk.hear(updated) == []


@pytest.mark.parametrize(
    ("audio", "law", "wire", "flows"),
    [
        ("auto", ULAW, {"type": "audio/pcmu"}, ULAW),
        ("auto", ALAW, {"type": "audio/pcma"}, ALAW),
        ("pcmu", ALAW, {"type": "audio/pcmu"}, ULAW),
        ("pcm24", ULAW, {"type": "audio/pcm", "rate": 24000}, PCM24),
    ],
)
def test_audio_format(new_talk, audio, law, wire, flows):
    talk = new_talk(ready=False, law=law, backend={"audio": audio})
    talk.protocol.configure()
    session = talk.sent()[0]["session"]
    assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == wire
    assert talk.protocol.input_format == talk.protocol.output_format == flows


def test_a_server_that_ignores_our_format_is_refused(new_talk):
    talk = new_talk(ready=False)
    pcm = {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}
    (lost,) = talk.hear({"type": "session.updated", "session": {"audio": pcm}})
    assert isinstance(lost, BackendLost)
    assert (lost.code, lost.fatal) == ("audio_format_refused", True)


@pytest.mark.parametrize(
    ("agent", "path", "value"),
    [
        ({"transcription": None}, ("input", "transcription"), None),
        (
            {"transcription": {"model": "whisper-1", "language": "de"}},
            ("input", "transcription"),
            {"model": "whisper-1", "language": "de"},
        ),
        ({"noise_reduction": "far_field"}, ("input", "noise_reduction"), {"type": "far_field"}),
        (
            {"turn_detection": {"kind": "semantic_vad", "eagerness": "low", "interrupt_response": False}},
            ("input", "turn_detection"),
            {
                "type": "semantic_vad",
                "eagerness": "low",
                "create_response": True,
                "interrupt_response": False,
            },
        ),
        (
            {"turn_detection": {"kind": "server_vad", "threshold": 0.7}},
            ("input", "turn_detection"),
            {
                "type": "server_vad",
                "threshold": 0.7,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "create_response": True,
                "interrupt_response": True,
            },
        ),
        (
            {"backend": {"extra_session": {"audio": {"output": {"speed": 1.2}}}}},
            ("output", "speed"),
            1.2,
        ),
    ],
)
def test_session_follows_the_configuration(new_talk, agent, path, value):
    talk = new_talk(ready=False, **agent)
    talk.protocol.configure()
    found = talk.sent()[0]["session"]["audio"]
    for key in path:
        found = found[key]
    assert found == value


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


# --- barge-in


def test_the_response_was_done_while_its_item_plays(talk, says):
    talk.hear(says.created(), says.audio(3000), says.audio_done(), says.done(), says.speech_started())
    talk.protocol.interrupt("i1", 0, 1250)
    sent = talk.sent()
    assert kinds(sent) == ["conversation.item.truncate"]
    assert truncations(sent) == [("i1", 1250)]


def test_the_response_is_still_generated(talk, says):
    talk.hear(says.created(), says.text("One two"), says.audio(1000), says.speech_started())
    talk.protocol.interrupt("i1", 0, 400)
    sent = talk.sent()
    assert truncations(sent) == [("i1", 400)]
    assert "response.cancel" not in kinds(sent), "the server interrupts by itself"
    heard = talk.hear(
        says.audio(500),
        says.text(" three"),
        says.audio_done(),
        says.text_done("One two three"),
        says.done(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}),
    )
    assert heard == [
        TranscriptFinished(role="agent", item_id="i1", text="One two three"),
        ResponseFinished(response_id="r1", status="cancelled", detail="turn_detected"),
    ]
    assert talk.protocol.counters()["late_deltas"] == 2


def test_a_server_that_does_not_interrupt_is_told_to(new_talk, says):
    talk = new_talk(turn_detection={"kind": "server_vad", "interrupt_response": False})
    talk.hear(says.created(), says.audio(1000), says.speech_started())
    talk.protocol.interrupt("i1", 0, 400)
    sent = talk.sent()
    assert kinds(sent) == ["response.cancel", "conversation.item.truncate"]
    assert sent[0]["response_id"] == "r1"


def test_an_interruption_without_speech_cancels_by_itself(talk, says):
    talk.hear(says.created(), says.audio(1000))
    talk.protocol.interrupt("i1", 0, 400)
    assert kinds(talk.sent()) == ["response.cancel", "conversation.item.truncate"]


def test_items_that_wait_behind_the_one_being_heard(talk, says):
    talk.hear(
        says.created(),
        says.audio(1000, "i1"),
        says.audio_done("i1"),
        says.audio(2000, "i2"),
        says.audio_done("i2"),
        says.audio(500, "i3"),
        says.speech_started(),
    )
    talk.protocol.interrupt("i2", 0, 300)
    assert truncations(talk.sent()) == [("i2", 300), ("i3", 0)]
    assert talk.hear(says.audio(500, "i3"), says.audio(100, "i4")) == []


def test_nothing_was_playing(talk, says):
    talk.hear(says.created(), says.audio(500), says.audio_done(), says.done(), says.speech_started())
    talk.protocol.interrupt(None, 0, 0)
    assert talk.sent() == []


def test_a_response_without_audio_yet_is_dropped_when_it_comes(talk, says):
    talk.hear(says.created(), says.speech_started())
    talk.protocol.interrupt(None, 0, 0)
    assert talk.hear(says.audio(100)) == []
    assert talk.sent() == []


def test_an_item_heard_to_its_end_is_not_truncated(talk, says):
    talk.hear(says.created(), says.audio(500), says.audio_done(), says.done(), says.speech_started())
    talk.protocol.interrupt("i1", 0, 500)
    assert talk.sent() == []


def test_truncation_stays_within_what_was_received(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 620)
    assert truncations(talk.sent()) == [("i1", 500)]


def test_queued_but_unheard(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 0)
    assert truncations(talk.sent()) == [("i1", 0)]


def test_the_next_response_is_heard_after_an_interruption(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 100)
    talk.hear(says.done(status="cancelled"), says.speech_stopped(), says.created("r2"))
    heard = talk.hear(says.audio(100, "i2", "r2"))
    assert heard == [AudioReceived(item_id="i2", content_index=0, audio=b"\x55" * 800)]


def test_interrupting_twice_truncates_once(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 100)
    talk.sent()
    talk.protocol.interrupt("i1", 0, 100)
    assert truncations(talk.sent()) == []


# --- errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_quota", "invalid_request_error"),
        (None, "insufficient_quota"),
        ("credit_balance_exhausted", "billing_error"),
        ("invalid_api_key", "invalid_request_error"),
        ("account_deactivated", "invalid_request_error"),
        ("billing_hard_limit_reached", "invalid_request_error"),
        ("model_not_found", "invalid_request_error"),
        ("forbidden", "invalid_request_error"),
    ],
)
def test_fatal_errors_end_the_session(talk, says, code, kind):
    (lost,) = talk.hear(says.error(code, kind))
    assert lost == BackendLost(code=code or kind, message="It went wrong.", fatal=True)
    assert talk.hear(says.created()) == [], "a lost session says no more"


def test_a_response_that_fails_for_good_ends_the_session(talk, says):
    details = {"type": "failed", "error": {"type": "insufficient_quota", "code": "insufficient_quota"}}
    heard = talk.hear(says.created(), says.done(status="failed", status_details=details))
    assert heard[-2] == ResponseFinished(response_id="r1", status="failed", detail="insufficient_quota")
    assert heard[-1] == BackendLost(code="insufficient_quota", message="insufficient_quota", fatal=True)


def test_a_response_that_fails_for_now_is_reported(talk, says):
    details = {"type": "failed", "error": {"type": "server_error", "message": "Try again."}}
    heard = talk.hear(says.created(), says.done(status="failed", status_details=details))
    assert heard[-1] == ProblemReported(code="server_error", message="Try again.")


def test_expiry_is_a_loss_that_a_new_session_may_mend(talk, says):
    assert talk.hear(says.error("session_expired")) == [
        BackendLost(code="session_expired", message="It went wrong.", fatal=False)
    ]


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded", "invalid_value", "unheard_of"])
def test_other_errors_leave_the_session_open(talk, says, code):
    assert talk.hear(says.error(code)) == [ProblemReported(code=code, message="It went wrong.")]
    assert talk.hear(says.created()) == [ResponseStarted(response_id="r1")]


@pytest.mark.parametrize("code", ["response_cancel_not_active", "item_create_duplicate_item_id"])
def test_races_are_counted_and_not_reported(talk, says, code):
    assert talk.hear(says.error(code)) == []
    assert talk.protocol.counters()["races"] == 1


def test_a_truncation_past_the_end_is_a_race(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 400)
    event_id = talk.sent()[0]["event_id"]
    assert talk.hear(says.error("invalid_value", event_id=event_id)) == []
    assert talk.protocol.counters()["races"] == 1


@pytest.mark.parametrize(
    ("code", "fatal"), [("unknown_parameter", True), ("model_load_error", True), ("server_error", False)]
)
def test_an_error_before_ready_turns_the_call_away(new_talk, says, code, fatal):
    talk = new_talk(ready=False)
    (lost,) = talk.hear(says.error(code))
    assert isinstance(lost, BackendLost)
    assert (lost.code, lost.fatal) == (code, fatal)


def test_the_parameter_at_fault_is_named(talk, says):
    (problem,) = talk.hear(says.error("unknown_parameter", param="session.foo"))
    assert problem.message == "It went wrong. (session.foo)"


def test_a_failed_transcription_is_reported(talk):
    error = {"type": "transcription_error", "code": "audio_unintelligible", "message": "Mumble."}
    assert talk.hear({"type": f"{TRANSCRIBED}.failed", "item_id": "u1", "error": error}) == [
        ProblemReported(code="audio_unintelligible", message="Mumble.")
    ]


# --- rubbish


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"17",
        b"\xff\xfe",
        b'{"no": "type"}',
        b'{"type": 5}',
        b'{"type": "response.output_audio.delta", "delta": ["a"]}',
        b'{"type": "response.done", "response": "r1"}',
        b'{"type": "error", "error": []}',
        '{"type": "session.updated", "session": 1}',
        b'{"type": "\xff"}',
        b'{"type": "x", "session": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        f'{{"type": "response.output_audio.delta", "content_index": {1 << 64}}}',
    ],
)
def test_malformed_messages_are_counted_and_reported_once(talk, data):
    for _ in range(3):
        talk.protocol.receive_message(data)
    (problem,) = talk.events()
    assert problem.code == "malformed_message"
    assert talk.protocol.counters()["malformed_messages"] == 3


def test_of_usage_only_what_can_be_counted_is_told(talk):
    usage = {"total": 9, "huge": 1 << 70, "name": "x", "details": {"cached": 1.5, "list": [1]}}
    deep = {"a": {"b": {"c": {"d": {"e": 1}}}}}
    response = {"id": "r1", "usage": usage | deep}
    counted, _ = talk.hear({"type": "response.done", "response": response})
    assert counted.usage == {"total": 9, "details": {"cached": 1.5}, "a": {"b": {"c": {}}}}


def test_a_session_may_say_anything_of_itself(new_talk):
    talk = new_talk(ready=False)
    odd = {"id": 5, "expires_at": 10**400, "audio": {"input": {"format": {"type": {}}}}}
    assert talk.hear({"type": "session.updated", "session": odd}) == [SessionReady()]


def test_bad_base64_is_counted(talk, says):
    assert talk.hear(says.created(), says.audio(20, delta="a")) == [ResponseStarted(response_id="r1")]
    assert talk.protocol.counters()["malformed_messages"] == 1


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.done"},
        {"type": "response.created"},
        {"type": "response.output_audio.delta"},
        {"type": "response.output_item.done"},
        {"type": "response.output_audio.done"},
        {"type": "input_audio_buffer.speech_started"},
        {"type": "error"},
        {"type": f"{TRANSCRIBED}.completed"},
        {"type": f"{TRANSCRIBED}.failed", "error": None},
        {"type": "session.updated"},
        {"type": "response.done", "response": {"id": None, "status_details": {"error": {}}, "usage": None}},
    ],
)
def test_missing_fields_do_no_harm(talk, event):
    talk.hear(event, {"type": "response.done", "response": {"id": "r9"}})
    assert talk.protocol.counters()["malformed_messages"] == 0


def test_unknown_events_and_fields_are_passed_over(talk, says):
    assert talk.hear({"type": "session.mood.updated", "mood": {"name": "glad"}}) == []
    assert len(talk.hear(says.created(), says.audio(20, obfuscation="xK", novelty={"a": [1]}))) == 2
    assert talk.protocol.counters()["unknown_events"] == 1


def test_known_events_of_no_use_are_not_counted(talk):
    talk.hear({"type": "rate_limits.updated", "rate_limits": []}, {"type": "conversation.item.added"})
    assert talk.protocol.counters()["unknown_events"] == 0
