"""Calls whose model is lost, or not to be had: what is heard, what the next one knows, what is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Faults, Pattern, RealtimeOptions, Say, Turn
from sipagent.simulator.realtime_server import RealtimeServer, ServedSession
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import FRAME_MS, Phone, call
from tests.e2e.support.server import running
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

STORY = (
    "Our house was built in nineteen hundred and four by the grandfather of the present owner, who came here"
    " from the coast with nothing but a horse, and opened a small shop at the corner of the market square."
)
LATER, LATER_MS = 7, 800
SPEAKS_FIRST = {"greeting": "Hello"}
NOTHING = ULAW.silence * (FRAME_MS * ULAW.bytes_per_ms)
#: The longest that a caller may hear nothing at all.
MOST_SILENCE_MS = 2000


def tells(*parts: Any, speed: float = 1.5, **options: Any) -> RealtimeOptions:
    return RealtimeOptions(
        script=(Turn(reply=list(parts)),), obedient=False, speed=speed, voice="synthetic", **options
    )


def items_of(session: ServedSession) -> list[Mapping[str, Any]]:
    """What a session was let know, as (role, text)."""
    created = session.log.events("in", "conversation.item.create")
    return [event["item"] for event in created]


def texts(session: ServedSession) -> list[tuple[str, str]]:
    return [(item["role"], item["content"][0]["text"]) for item in items_of(session)]


def longest_silence_ms(caller: Phone, first: int = 0) -> int:
    longest = silent = 0
    for heard in caller.heard[first:]:
        silent = silent + 1 if heard.packet.payload == NOTHING else 0
        longest = max(longest, silent)
    return longest * FRAME_MS


def taken(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(step["step"], step["outcome"]) for step in record["fallback"]]


async def test_a_model_that_drops_in_mid_sentence_goes_on_knowing_what_was_heard(setup: SetupFactory) -> None:
    later = audio.signal(LATER, LATER_MS, ULAW)
    async with (
        RealtimeServer(tells(Say(say=STORY))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST)) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(1500)
        model.options = tells(Pattern(pattern_ms=LATER_MS, number=LATER))
        first = len(caller.heard)
        model.sessions[0].drop()
        await caller.hear(lambda: caller.speech_heard().endswith(later))
        await caller.hang_up()
        record = await server.next_record()
        metrics = await server.metrics()

    assert longest_silence_ms(caller, first) <= MOST_SILENCE_MS
    assert taken(record) == [("reconnect", "taken")]
    (cut, go_on) = texts(model.sessions[1])
    assert cut[0] == "assistant"
    assert cut[1].endswith(" —")
    heard = cut[1].removesuffix(" —")
    assert heard
    assert STORY.startswith(heard)
    told = record["turns"][0]
    assert len(heard) <= told["played_ms"] / 1000 * 16
    assert go_on[0] == "system"
    assert model.sessions[1].log.events("in", "response.create")
    assert metrics['sipagent_fallback_steps_total{outcome="taken",step="reconnect"}'] == 1
