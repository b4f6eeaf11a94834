"""A simulated session whose caller's turns come by a clock: so one process serves hundreds of calls."""

from __future__ import annotations

import base64

from sipagent.simulator.realtime_options import TurnsByClock
from tests.simulator.conftest import NewClient, pattern_script

CLOCK = TurnsByClock(first_s=2.0, speech_s=1.0, pause_s=(3.0, 3.0))
SILENCE = b"\xff" * 160


def test_turns_come_by_the_clock_and_are_answered(new_client: NewClient) -> None:
    client = new_client(pattern_script(500), turns_by_clock=CLOCK)
    client.configure()
    kinds = [event["type"] for event in client.pass_time(9.9)]
    assert kinds.count("input_audio_buffer.speech_started") == 2
    assert kinds.count("input_audio_buffer.committed") == 2
    assert kinds.count("response.done") == 2


def test_a_reply_that_is_not_over_is_interrupted(new_client: NewClient) -> None:
    client = new_client(pattern_script(4000), turns_by_clock=CLOCK, speed=1.0)
    client.configure()
    done = [event["response"]["status"] for event in client.pass_time(11) if event["type"] == "response.done"]
    assert done[0] == "cancelled"


def test_without_turn_detection_nobody_takes_turns(new_client: NewClient) -> None:
    client = new_client(pattern_script(500), turns_by_clock=CLOCK)
    audio = {"input": {"turn_detection": None}}
    client.send("session.update", session={"type": "realtime", "audio": audio})
    assert not client.pass_time(10)


def test_the_callers_audio_is_passed_over_and_nothing_else(new_client: NewClient) -> None:
    client = new_client(turns_by_clock=CLOCK)
    audio = base64.b64encode(SILENCE)
    assert client.session.is_of_no_interest(b'{"type":"input_audio_buffer.append","audio":"' + audio + b'"}')
    assert not client.session.is_of_no_interest(b'{"type":"response.cancel"}')
    assert not new_client().session.is_of_no_interest(b'{"type":"input_audio_buffer.append"}')


def test_a_response_that_the_client_asked_for_meanwhile_is_told_of(new_client: NewClient) -> None:
    client = new_client(pattern_script(4000), turns_by_clock=CLOCK, speed=1.0)
    client.configure()
    client.pass_time(2.5)
    client.send("response.create")
    errors = [event["error"]["code"] for event in client.pass_time(1) if event["type"] == "error"]
    assert errors == ["conversation_already_has_active_response"]
