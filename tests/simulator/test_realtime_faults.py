"""What options and scripts have the simulated session do beside talking: faults, delays, repeatability."""

from __future__ import annotations

import pytest

from sipagent.simulator.realtime_options import Fail, Faults, Pattern, Tone, Turn
from tests.simulator.sent_events import TRANSCRIPTION, error, kinds, one


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
