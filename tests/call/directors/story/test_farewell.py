"""The way out: hang-ups and transfers wait for the goodbye."""

from __future__ import annotations

from typing import Any

from tests.call.directors.story.plays import Play

TOOLS = {
    "hang_up": {"kind": "hang_up"},
    "transfer": {"kind": "transfer", "targets": ["sales"]},
    "book": {"kind": "http", "url": "https://x/"},
}
SALES = '{"target": "sales"}'
GOODBYE = {"goodbye": {"say": "Goodbye."}}


def talk(story: dict[str, Any] | None = None) -> Play:
    """The caller has said something."""
    return Play(story, tools=TOOLS).answered().caller_begins().until(2).caller_ends()


def outcomes(play: Play) -> list[tuple[str, str]]:
    return [(answer.name, answer.outcome) for answer in play.answers]


def test_the_agents_goodbye_is_heard_before_the_line_is_cut() -> None:
    play = talk(GOODBYE).agent_begins().tool_called("hang_up").until(9)
    assert play.done == []
    play.agent_ends()
    assert play.done == [(9.0, "hang up agent_hung_up")]
    assert outcomes(play) == [("hang_up", "ok")]
    assert play.answers[0].output is None


def test_words_that_begin_a_moment_after_the_wish_are_waited_for() -> None:
    play = talk(GOODBYE).tool_called("hang_up").until(2.4).agent_begins().until(6)
    assert play.done == []
    assert play.agent_ends().words() == ["hang up agent_hung_up"]


def test_an_agent_that_has_said_goodbye_needs_no_other() -> None:
    play = talk(GOODBYE).agent_says(2).tool_called("hang_up").until(10)
    assert play.done == [(4.7, "hang up agent_hung_up")]


def test_without_a_word_of_the_agents_the_configured_goodbye_is_said() -> None:
    play = talk(GOODBYE).tool_called("hang_up").until(5)
    assert play.done == [(2.7, "say Goodbye.")]
    assert play.agent_says(1).words()[1:] == ["hang up agent_hung_up"]


def test_without_any_goodbye_the_line_is_cut() -> None:
    assert talk().tool_called("hang_up").until(5).done == [(2.7, "hang up agent_hung_up")]


def test_a_caller_who_speaks_into_the_goodbye_keeps_the_call() -> None:
    play = talk(GOODBYE).agent_begins().tool_called("hang_up").until(3).caller_begins().agent_ends(cut=True)
    play.caller_ends().until(60)
    assert play.done == []
    assert outcomes(play) == [("hang_up", "interrupted")]
    assert "goes on" in (play.answers[0].output or "")


def test_a_goodbye_without_end_is_cut_off() -> None:
    assert talk().agent_begins().tool_called("hang_up").until(100).done == [(32.0, "hang up agent_hung_up")]


def test_a_tool_at_work_may_finish_first() -> None:
    play = talk().agent_begins().tool_called("book").tool_called("hang_up").agent_ends().until(6)
    assert play.done == []
    assert play.tool_answered("book").words() == ["hang up agent_hung_up"]


def test_a_second_wish_is_answered_with_the_first() -> None:
    play = talk().agent_begins().tool_called("hang_up").tool_called("hang_up", tool_call_id="again")
    play.agent_ends()
    assert outcomes(play) == [("hang_up", "ok")] * 2
    assert {answer.tool_call_id for answer in play.answers} == {"hang_up", "again"}


def test_a_transfer_waits_as_well_and_is_answered_when_it_fails() -> None:
    play = talk().agent_begins().tool_called("transfer", SALES).until(4)
    assert play.done == []
    assert play.agent_ends().words() == ["transfer sales"]
    assert play.answers == []
    play.until(20).transfer_failed()
    assert outcomes(play) == [("transfer", "failed")]
    assert "busy" in (play.answers[0].output or "")


def test_a_transfer_that_succeeds_is_answered_at_the_end() -> None:
    play = talk().agent_says(1).tool_called("transfer", SALES).until(10).over()
    assert outcomes(play) == [("transfer", "ok")]


def test_a_transfer_to_nobody_known_is_told_what_there_is() -> None:
    play = talk().tool_called("transfer", '{"target": "ceo"}').until(60)
    assert (play.done, outcomes(play)) == ([], [("transfer", "invalid")])
    assert "sales" in (play.answers[0].output or "")


def test_a_call_that_ends_meanwhile_answers_all_the_same() -> None:
    play = talk().agent_begins().tool_called("hang_up").over()
    assert outcomes(play) == [("hang_up", "call_ended")]


def test_a_tool_of_that_name_which_was_not_declared_is_no_way_out() -> None:
    play = Play().answered().tool_called("hang_up").until(60)
    assert (play.done, play.answers) == ([], [])
