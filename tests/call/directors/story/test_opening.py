"""How a call begins: consent, recording, greeting."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.call.order import spoken_for
from sipagent.config import AgentConfig
from tests.call.directors.story.plays import Play

CONSENT = {"consent": {"say": "This is recorded."}}


def test_a_plain_greeting_is_the_media_workers() -> None:
    assert Play(greeting="Hello").answered().until(60).done == []


@pytest.mark.parametrize(
    ("story", "worker_greets"),
    [
        ({}, True),
        ({"greeting_interruptible": False}, True),
        (CONSENT, False),
        (CONSENT | {"silence": None}, False),
    ],
)
def test_whoever_greets_the_other_does_not(story: dict[str, Any], worker_greets: bool) -> None:
    agent = AgentConfig.model_validate(
        {"name": "bot", "backend": {"kind": "openai_realtime"}, "greeting": "Hello", "story": story}
    )
    assert (spoken_for(agent).greeting == "Hello") is worker_greets
    said = Play(story, greeting="Hello").answered().agent_says(1).words()
    assert any("Hello" in words for words in said) is not worker_greets


def test_the_recording_begins_when_consent_was_heard_and_then_the_greeting_comes() -> None:
    play = Play(CONSENT, greeting="Hello").answered()
    assert play.words() == ["say This is recorded. firmly"]
    play.until(1).agent_says(2)
    assert play.done[1:] == [(3.0, "record"), (3.0, "say Hello")]


def test_consent_that_the_caller_spoke_into_is_said_again_and_then_given_up() -> None:
    play = Play(CONSENT, greeting="Hello").answered()
    for _ in range(3):
        play.agent_begins().caller_begins().agent_ends(cut=True).caller_ends()
    assert play.words() == ["say This is recorded. firmly"] * 3 + ["say Hello"]


def test_consent_that_never_was_said_means_no_recording() -> None:
    play = Play(CONSENT, greeting="Hello").answered().until(20)
    assert play.done == [(0.0, "say This is recorded. firmly"), (8.0, "say Hello")]


def test_a_stale_end_of_speech_is_no_consent() -> None:
    play = Play(CONSENT).answered().agent_ends()
    assert play.words() == ["say This is recorded. firmly"]
    assert play.agent_says(1).last() == "record"


def test_files_are_played_to_their_end() -> None:
    story: dict[str, Any] = {"consent": {"file": "/consent.wav"}, "greeting_file": "/hello.wav"}
    play = Play(story).answered()
    assert play.words() == ["play consent.wav"]
    assert play.until(3).prompt_ended().words()[1:] == ["record", "play hello.wav interruptible"]


def test_a_call_that_is_not_recorded_asks_for_no_consent() -> None:
    assert Play(CONSENT, greeting="Hello", recorded=False).answered().words() == ["say Hello"]


def test_a_file_that_can_not_be_played_means_no_recording() -> None:
    play = Play({"consent": {"file": "/consent.wav"}}, greeting="Hello").answered()
    assert play.prompt_ended(completed=False).words() == ["play consent.wav", "say Hello"]


def test_a_greeting_may_have_to_be_heard_to_its_end() -> None:
    firm: dict[str, Any] = {"greeting_interruptible": False}
    assert Play(firm | {"greeting_file": "/hello.wav"}).answered().words() == ["play hello.wav"]
    assert Play(firm | CONSENT, greeting="Hello").answered().agent_says(1).last() == "say Hello firmly"
