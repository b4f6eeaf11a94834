"""Duration, keys and fillers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.call.directors.story.plays import Play

# --- the longest duration ---------------------------------------------------------------------------

LIMITED = {"max_duration_warning": {"before_s": 60, "say": "One minute."}, "goodbye": {"say": "Goodbye."}}


def test_a_warning_and_a_goodbye_before_the_limit() -> None:
    play = Play(LIMITED, limit_s=300).answered().until(245).agent_says(2).until(295)
    assert play.done == [(240.0, "say One minute."), (290.0, "say Goodbye.")]
    assert play.agent_says(2).done[-1] == (297.0, "hang up max_duration")


def test_a_warning_does_not_cut_the_callers_word() -> None:
    play = Play(LIMITED, limit_s=300).answered().until(235).caller_begins().until(250)
    assert play.done == []
    assert play.caller_ends().words() == ["say One minute."]


def test_the_last_goodbye_is_not_open_to_discussion() -> None:
    play = Play(LIMITED, limit_s=300).answered().until(241).agent_says(1).until(291)
    play.agent_begins().caller_begins().agent_ends(cut=True)
    assert play.last() == "hang up max_duration"


def test_a_short_call_gets_no_warning_but_a_goodbye() -> None:
    play = Play(LIMITED, limit_s=8).answered().until(7)
    assert play.done == [(6.0, "say Goodbye.")]


def test_without_either_the_limit_is_the_sessions_alone() -> None:
    assert Play({}, limit_s=8).answered().until(100).done == []


# --- keys -------------------------------------------------------------------------------------------

COLLECT: dict[str, Any] = {"digits": {"kind": "collect", "terminator": "#", "timeout_s": 4, "max_digits": 6}}
MENU: dict[str, Any] = {
    "digits": {
        "kind": "menu",
        "choices": {
            "1": {"transfer": "sales", "say": "One moment."},
            "2": {"tell": "The caller wants opening hours."},
            "3": {"file": "/hours.wav"},
            "9": {"hang_up": True},
        },
    }
}


def test_keys_go_to_the_model_by_themselves_elsewhere() -> None:
    assert Play().answered().presses("12#").until(60).done == []


@pytest.mark.parametrize(
    ("digits", "told"),
    [
        ("123#", [(1.0, "123")]),
        ("123", [(5.0, "123")]),
        ("1234567", [(1.0, "123456"), (5.0, "7")]),
        ("#", []),
        ("1#2#", [(1.0, "1"), (1.0, "2")]),
    ],
)
def test_keys_are_collected(digits: str, told: list[tuple[float, str]]) -> None:
    play = Play(COLLECT).answered().until(1).presses(digits).until(60)
    assert play.done == [(at, f"tell [The caller entered {number} on the keypad]") for at, number in told]


def test_each_key_gives_time_for_the_next() -> None:
    play = Play(COLLECT).answered().presses("1").until(3).presses("2").until(6)
    assert play.done == []
    assert play.until(7).words() == ["tell [The caller entered 12 on the keypad]"]


def test_choices() -> None:
    assert Play(MENU).answered().presses("2").words() == ["tell The caller wants opening hours."]
    assert Play(MENU).answered().presses("3").words() == ["play hours.wav interruptible"]
    assert Play(MENU).answered().presses("9").words() == ["hang up agent_hung_up"]
    assert Play(MENU).answered().presses("5").words() == ["tell [The caller pressed the key 5]"]


def test_a_choice_that_hands_on_says_so_first_and_the_menu_is_back_if_it_failed() -> None:
    play = Play(MENU).answered().presses("1")
    assert play.words() == ["say One moment."]
    assert play.agent_says(1).last() == "transfer sales"
    assert play.presses("2").last() == "transfer sales"
    assert play.transfer_failed().presses("2").last() == "tell The caller wants opening hours."


# --- fillers ----------------------------------------------------------------------------------------

MUSIC = {"filler": {"file": "/music.wav", "after_ms": 1000}}
WORDS = {"filler": {"say": "One moment.", "after_ms": 1000}}


def test_a_tool_that_is_quick_needs_no_filler() -> None:
    assert Play(MUSIC).answered().tool_called("book").until(0.9).tool_answered("book").until(60).done == []


def test_a_file_goes_on_until_the_tool_is_done() -> None:
    play = Play(MUSIC).answered().tool_called("book").until(5).tool_answered("book")
    assert play.done == [(1.0, "play music.wav interruptible repeat over"), (5.0, "stop")]


def test_what_the_agent_has_ended_is_not_stopped_again() -> None:
    play = Play(MUSIC).answered().tool_called("book").until(5).prompt_ended(completed=False)
    assert play.tool_answered("book").words() == ["play music.wav interruptible repeat over"]


def test_words_are_said_once_for_all_tools_that_run_together() -> None:
    play = Play(WORDS).answered().tool_called("book").until(0.5).tool_called("look").until(10)
    assert play.tool_answered("book").tool_answered("look").done == [(1.0, "say One moment.")]


def test_the_filler_waits_for_whoever_speaks() -> None:
    play = Play(MUSIC).answered().agent_begins().tool_called("book").until(5)
    assert play.done == []
    assert play.agent_ends().until(7).done == [(6.0, "play music.wav interruptible repeat over")]


def test_no_filler_on_hold() -> None:
    assert Play(MUSIC).answered().held().tool_called("book").until(60).done == []
