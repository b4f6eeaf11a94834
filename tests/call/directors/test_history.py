"""What is known of a conversation when somebody else has to go on with it."""

from __future__ import annotations

import pytest

from sipagent import events
from sipagent.call.directors.history import History, cut_at_word
from sipagent.conversation import Noted, Said, ToolUsed
from tests.call.stories import CALL_ID, agent_spoke, caller_spoke, said


def told(*story: events.Event | list[events.Event]) -> History:
    history = History()
    for part in story:
        for event in part if isinstance(part, list) else [part]:
            assert not list(history.on_event(event, 0.0))
    return history


def caller(text: str) -> Said:
    return Said(role="caller", text=text)


def agent(text: str) -> Said:
    return Said(role="agent", text=text)


def test_both_sides_stand_in_the_order_in_which_they_began() -> None:
    history = told(
        caller_spoke("i1", 101, 102),
        agent_spoke("i2", 103, 104),
        said("agent", "i2", "We open at nine."),
        said("caller", "i1", "When do you open?"),  # transcripts of callers come late
    )
    assert history.items() == [caller("When do you open?"), agent("We open at nine.")]
    assert not history.is_agents_turn


def test_of_the_agent_only_what_was_heard_counts() -> None:
    history = told(
        agent_spoke("i1", 101, 102, flushed_ms=3000),
        said("agent", "i1", "One two three four five six seven eight nine ten."),
        said("agent", "i2", "Nobody has heard any of this."),
    )
    assert history.items() == [agent("One two —")]


def test_words_ahead_of_their_audio_were_not_heard() -> None:
    """The session was lost: all text had come, and little audio, which was played to its end."""
    partial = events.Transcript(
        call_id=CALL_ID, at=101.5, role="agent", item_id="i1", text="word " * 50, is_partial=True
    )
    history = told(agent_spoke("i1", 101, 102), partial)
    (item,) = history.items()
    assert item == agent("word word word —")
    assert history.is_agents_turn


def test_what_is_being_played_is_not_known_yet() -> None:
    started, ended = agent_spoke("i1", 101, 102)
    history = told(started, said("agent", "i1", "Good day."))
    assert history.is_agent_heard
    assert history.items() == []
    history.on_event(ended, 0.0)
    assert not history.is_agent_heard
    assert history.rest() == [agent("Good day.")]
    assert history.rest() == []


def test_tools_that_the_host_ran_are_part_of_it() -> None:
    ran = events.McpToolUsed(
        call_id=CALL_ID, at=101, tool_call_id="m1", server="docs", name="find", arguments="{}", error="gone"
    )
    history = told(ran)
    assert history.pending_tools() == set()
    assert history.items() == [ToolUsed(tool_call_id="m1", name="find", arguments="{}", output="gone")]


def test_keys_notes_and_tools_are_part_of_it() -> None:
    called = events.ToolCalled(call_id=CALL_ID, at=101, tool_call_id="t1", name="find", arguments="{}")
    answered = events.ToolAnswered(
        call_id=CALL_ID, at=102, tool_call_id="t1", name="find", outcome="ok", duration_ms=5, output="[]"
    )
    pressed = events.DigitReceived(call_id=CALL_ID, at=103, digit=events.MASKED, duration_ms=100)
    history = told(called)
    assert history.pending_tools() == {"t1"}
    history = told(called, answered, pressed)
    history.note("The caller is a friend.")
    assert history.items() == [
        ToolUsed(tool_call_id="t1", name="find", arguments="{}", output="[]"),
        Noted(text=f"The caller pressed the key {events.MASKED}."),
        Noted(text="The caller is a friend."),
    ]
    assert not history.pending_tools()


def test_a_caller_without_an_answer_waits_for_one() -> None:
    assert told(agent_spoke("i1", 101, 102), caller_spoke("i2", 103, 104)).is_agents_turn
    assert told().is_empty


@pytest.mark.parametrize(
    ("chars", "kept"),
    [(100, "One two three —"), (8, "One two —"), (7, "One two —"), (5, "One —"), (2, "—"), (0, "—")],
)
def test_words_are_not_cut_in_two(chars: int, kept: str) -> None:
    assert cut_at_word("One two three", chars) == kept
