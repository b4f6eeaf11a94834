"""When nobody speaks."""

from __future__ import annotations

import pytest

from tests.call.directors.story.plays import Play

SILENCE = {"silence": {"after_s": 10, "say": "Hello?", "times": 2}, "goodbye": {"say": "Goodbye."}}


def talking() -> Play:
    """The greeting of 3 s is over."""
    return Play(SILENCE).answered().agent_says(3)


def test_reminders_then_goodbye_then_the_end() -> None:
    play = talking().until(14)
    for _ in range(2):
        play.agent_says(1).until(play.now + 10)
    assert play.done == [(13.0, "say Hello?"), (25.0, "say Hello?"), (36.0, "say Goodbye.")]
    play.agent_begins().until(play.now + 2)
    assert play.last() == "say Goodbye."
    assert play.agent_ends().last() == "hang up caller_silent"


def test_each_wait_begins_when_the_agent_is_done() -> None:
    play = talking().until(20)
    assert play.done == [(13.0, "say Hello?")]
    assert play.agent_begins().until(60).agent_ends().until(69).words() == ["say Hello?"]
    assert play.until(70).done[-1] == (70.0, "say Hello?")


def test_the_caller_begins_it_anew() -> None:
    play = talking().until(14).agent_says(1).until(20).caller_begins().caller_ends()
    assert play.until(29).words() == ["say Hello?"]
    assert play.agent_says(1).until(41).words() == ["say Hello?"] * 2
    assert play.agent_says(1).until(53).words() == ["say Hello?"] * 3
    assert play.agent_says(1).until(70).last() == "say Goodbye."


@pytest.mark.parametrize(
    "busy",
    [
        lambda play: play.caller_begins(),
        lambda play: play.agent_begins(),
        lambda play: play.tool_called("book"),
        lambda play: play.held(),
    ],
)
def test_no_silence_while_something_is_under_way(busy) -> None:
    assert busy(talking().until(5)).until(300).done == []


def test_a_hold_does_not_count() -> None:
    play = talking().until(8).held().until(100).resumed()
    assert play.until(104.9).done == []
    assert play.until(105).words() == ["say Hello?"]


def test_a_key_counts_as_an_answer() -> None:
    play = talking().until(12).presses("1")
    assert play.until(21.9).done == []


def test_the_caller_who_comes_back_at_the_goodbye_stays() -> None:
    play = talking().until(14).agent_says(1).until(26).agent_says(1).until(38)
    assert play.last() == "say Goodbye."
    play.agent_begins().caller_begins().agent_ends(cut=True).caller_ends().agent_says(1)
    assert play.until(play.now + 5).last() == "say Goodbye."
    assert play.until(play.now + 5).last() == "say Hello?"


def test_nothing_before_the_call_is_answered() -> None:
    assert Play(SILENCE).ready().until(100).done == []


def test_a_model_that_says_nothing_does_not_keep_the_call_for_ever() -> None:
    play = Play(SILENCE).answered().until(100)
    assert play.words() == ["say Hello?", "say Hello?", "say Goodbye.", "hang up caller_silent"]


def test_a_model_that_is_gone_is_not_the_callers_silence() -> None:
    play = talking().until(8).lost().until(100)
    assert play.done == []
    assert play.replaced("bot").until(109.9).done == []
    assert play.until(110).words() == ["say Hello?"]


def test_whoever_takes_over_goes_by_rules_of_its_own() -> None:
    assert talking().lost().replaced("other").until(300).done == []
