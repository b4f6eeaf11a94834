"""The OpenAI Realtime protocol and a server that fails, refuses, or talks rubbish."""

from __future__ import annotations

import pytest

from sipagent.backends.base import (
    BackendLost,
    ProblemReported,
    ResponseFinished,
    ResponseStarted,
    SessionReady,
)
from tests.backends.openai_messages import TRANSCRIBED

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
