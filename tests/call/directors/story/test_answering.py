"""What becomes of a call of ours, by who answers it."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.call.order import spoken_for
from sipagent.config import AgentConfig
from tests.call.directors.story.plays import Play

MESSAGE = {"then": "leave_message", "message": {"say": "Please call us back."}}
A_PERSON = "tell A person has answered the call."
A_MACHINE = "tell An answering machine has answered the call."


def answered(config: dict[str, Any], **options: Any) -> Play:
    return Play(detects_machine=True, answering_machine=config, **options).answered()


def test_an_agent_that_greets_at_once_is_told_later_who_it_is() -> None:
    play = answered({}, greeting="Hello")
    assert play.done == []
    assert play.until(2).detected("human").done == [(2.0, f"{A_PERSON} quietly")]


def test_an_agent_that_waits_only_listens_until_a_human_is_known() -> None:
    play = answered({"greet": "after_detection"}, greeting="Hello")
    assert play.words() == ["only listen"]
    play.until(2).detected("human")
    assert play.words()[1:] == ["give back", f"{A_PERSON} quietly", "say Hello"]


def test_an_agent_without_a_greeting_is_asked_to_speak_when_it_has_waited() -> None:
    play = answered({"greet": "after_detection"}).until(2).detected("human")
    assert play.words() == ["only listen", "give back", A_PERSON]


def test_consent_comes_before_the_greeting_there_too() -> None:
    consent = {"consent": {"say": "This is recorded."}}
    play = answered({"greet": "after_detection"}, story=consent, greeting="Hello")
    assert play.words() == ["only listen"]
    play.detected("human").agent_says(2)
    assert play.words()[3:] == ["say This is recorded. firmly", "record", "say Hello"]


def test_whom_nobody_knows_is_taken_for_a_human() -> None:
    play = answered({"greet": "after_detection"} | MESSAGE, greeting="Hello").detected("unknown")
    assert play.words()[-1] == "say Hello"


@pytest.mark.parametrize("kind", ["machine", "fax", "announcement"])
def test_there_is_nobody_to_talk_to(kind: str) -> None:
    assert answered({}).detected(kind).words() == ["hang up machine_answered"]


def test_a_conversation_may_be_wanted_with_machines_too() -> None:
    play = answered({"then": "continue", "greet": "after_detection"}, greeting="Hello").detected("machine")
    assert play.words() == ["only listen", "give back", f"{A_MACHINE} quietly", "say Hello"]


def test_a_message_is_left_after_the_beep_and_then_the_call_ends() -> None:
    play = answered(MESSAGE).until(4).detected("machine").until(9)
    assert play.words() == ["set aside"]
    play.beeps()
    assert play.done[1:] == [(9.0, "give back"), (9.0, "say Please call us back. firmly")]
    assert play.until(10).agent_says(3).done[3:] == [(13.0, "hang up message_left")]


def test_a_message_may_be_a_file() -> None:
    play = answered({"then": "leave_message", "message": {"file": "/sounds/message.wav"}})
    play.detected("machine").beeps()
    assert play.words() == ["set aside", "play message.wav"]
    assert play.prompt_ended().last() == "hang up message_left"


def test_a_message_that_was_cut_was_not_left() -> None:
    play = answered({"then": "leave_message", "message": {"file": "/sounds/message.wav"}})
    play.detected("machine").beeps().prompt_ended(completed=False)
    assert play.last() == "hang up machine_answered"


def test_no_message_is_left_with_a_fax() -> None:
    assert answered(MESSAGE).detected("fax").words() == ["hang up machine_answered"]


def test_a_beep_that_never_comes_is_not_waited_for_too_long() -> None:
    play = answered(MESSAGE | {"max_wait_ms": 20_000}).until(4).detected("machine").until(100)
    assert play.done == [(4.0, "set aside"), (24.0, "hang up machine_answered")]


def test_a_beep_of_a_human_is_nothing() -> None:
    assert answered(MESSAGE).detected("human").beeps().words() == [f"{A_PERSON} quietly"]


def test_a_worker_that_tells_nothing_is_not_waited_for() -> None:
    play = answered({"greet": "after_detection"}, greeting="Hello").until(60)
    assert play.done[0] == (0.0, "only listen")
    assert play.done[-1] == (10.0, "say Hello")


def test_nobody_is_reminded_to_speak_meanwhile() -> None:
    silence = {"silence": {"after_s": 2, "say": "Hello?", "times": 1}}
    play = answered({"greet": "after_detection"} | MESSAGE, story=silence).until(4).detected("machine")
    assert play.until(30).words() == ["only listen", "set aside"]


def test_calls_that_come_in_are_greeted_as_ever() -> None:
    agent = AgentConfig.model_validate(
        {
            "name": "bot",
            "backend": {"kind": "openai_realtime"},
            "greeting": "Hello",
            "answering_machine": {"detect": True, "greet": "after_detection"},
        }
    )
    assert spoken_for(agent).greeting == "Hello"
    assert spoken_for(agent, detects_machine=True).greeting is None
    assert Play(greeting="Hello", answering_machine={"greet": "after_detection"}).answered().done == []


def test_a_message_needs_words_and_only_who_leaves_one_has_them() -> None:
    for wrong in ({"then": "leave_message"}, {"message": {"say": "Hello"}}):
        with pytest.raises(ValueError, match="leave_message"):
            answered(wrong)
