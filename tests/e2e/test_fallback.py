"""Calls whose model is lost, or not to be had: what is heard, what the next one knows, what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Faults, Pattern, RealtimeOptions, Say, Turn
from sipagent.simulator.realtime_server import RealtimeServer, ServedSession
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import FRAME_MS, Phone, call
from tests.e2e.support.server import running

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


async def test_a_model_that_stalls_in_mid_sentence_leaves_no_silence_either(setup: SetupFactory) -> None:
    later = audio.signal(LATER, LATER_MS, ULAW)
    async with (
        RealtimeServer(tells(Say(say=STORY), speed=1.05)) as model,
        running(setup(model.url, agent=SPEAKS_FIRST)) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(1000)
        model.options = tells(Pattern(pattern_ms=LATER_MS, number=LATER))
        first = len(caller.heard)
        model.sessions[0].stall()
        await caller.hear(lambda: caller.speech_heard().endswith(later))
        await caller.hang_up()
        record = await server.next_record()
    assert longest_silence_ms(caller, first) <= MOST_SILENCE_MS
    assert record["fallback"][0]["cause"].startswith("ping_timeout")


async def test_a_model_that_stays_away_gives_way_to_another(setup: SetupFactory) -> None:
    later = audio.signal(LATER, LATER_MS, ULAW)
    async with (
        RealtimeServer(tells(Say(say=STORY))) as model,
        RealtimeServer(tells(Pattern(pattern_ms=LATER_MS, number=LATER))) as spare,
        running(
            setup(
                model.url,
                agent=SPEAKS_FIRST | {"fallback": {"reconnect_tries": 2, "steps": [{"agent": "spare"}]}},
                agents={
                    "spare": {"backend": {"kind": "openai_realtime", "url": spare.url, "audio": "pcm24"}}
                },
            )
        ) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(1000)
        model.options = replace(model.options, faults=Faults(refuse_status=503))
        first = len(caller.heard)
        model.sessions[0].drop()
        line = await server.wait_log("backend_replaced")
        await server.wait_log("agent_fell_silent")
        await caller.hang_up()
        record = await server.next_record()

    assert line["agent"] == "spare"
    assert longest_silence_ms(caller, first) <= MOST_SILENCE_MS
    assert taken(record) == [("reconnect", "failed"), ("reconnect", "failed"), ("agent spare", "taken")]
    assert "503" in record["fallback"][1]["cause"]
    assert texts(spare.sessions[0])[0][1].endswith(" —")
    assert "resample(24000>8000)" in record["path"]
    assert caller.speech_heard() != later  # converted there and back


async def test_a_key_that_is_refused_is_not_tried_again(setup: SetupFactory, tmp_path: Path) -> None:
    farewell = tmp_path / "sorry.wav"
    audio.write_wav(farewell, audio.samples(audio.signal(LATER, LATER_MS, ULAW), "PCMU"))
    fallback = {"steps": [{"goodbye": str(farewell)}]}
    async with (
        RealtimeServer(tells(Say(say=STORY))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST | {"fallback": fallback}), spare_threads=1) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(500)
        model.options = replace(model.options, faults=Faults(refuse_status=401))
        model.sessions[0].drop()
        await caller.hung_up()
        record = await server.next_record()

    assert audio.signal(LATER, LATER_MS, ULAW) in caller.audio_heard()
    assert taken(record) == [("reconnect", "failed"), (f"goodbye {farewell}", "taken")]
    assert (record["end_reason"], record["call_status"]) == ("backend_lost", "completed")


async def test_another_agent_answers_where_the_first_can_not(setup: SetupFactory) -> None:
    refused = RealtimeOptions(faults=Faults(refuse_status=503))
    async with (
        RealtimeServer(refused) as model,
        RealtimeServer(tells(Pattern(pattern_ms=LATER_MS, number=LATER))) as spare,
        running(
            setup(
                model.url,
                agent={"fallback": {"steps": [{"agent": "spare"}]}},
                agents={"spare": SPEAKS_FIRST | {"backend": {"kind": "openai_realtime", "url": spare.url}}},
            )
        ) as server,
        call(server.setup) as caller,
    ):
        await caller.hear(lambda: caller.speech_heard() == audio.signal(LATER, LATER_MS, ULAW))
        await caller.hang_up()
        record = await server.next_record()
    assert taken(record) == [("agent spare", "taken")]


async def test_a_caller_whose_agent_is_not_to_be_had_leaves_a_message(setup: SetupFactory) -> None:
    message = audio.signal(LATER, 1200, ULAW)
    refused = RealtimeOptions(faults=Faults(refuse_status=503))
    async with (
        RealtimeServer(refused) as model,
        running(
            setup(
                model.url,
                agent={"fallback": {"steps": [{"voicemail": "machine"}]}},
                agents={"machine": {"backend": {"kind": "voicemail", "silence_s": 1}}},
            )
        ) as server,
        call(server.setup) as caller,
    ):
        await server.wait_log("agent_speech_ended")
        await caller.say(message)
        await caller.hung_up()
        line = await server.wait_log("backend_finished")
        record = await server.next_record()
    assert record["end_reason"] == "message_taken"
    assert 1000 <= line["message_ms"] <= 2500
    assert taken(record) == [("voicemail machine", "taken")]
    left, right = audio.recorded(record["recording"])
    assert audio.holds(left, audio.samples(message, "PCMU"))
    assert np.abs(right).max() > 3000, "the beep is missing"


async def test_a_prompt_is_played_and_the_call_ends(setup: SetupFactory, tmp_path: Path) -> None:
    announcement = tmp_path / "closed.wav"
    audio.write_wav(announcement, audio.samples(audio.signal(LATER, LATER_MS, ULAW), "PCMU"))
    closed = {"backend": {"kind": "prompt", "file": str(announcement), "times": 2, "pause_ms": 200}}
    async with running(setup(None, agent=closed), spare_threads=1) as server, call(server.setup) as caller:
        await caller.hung_up()
        record = await server.next_record()
    assert caller.speech_heard() == audio.signal(LATER, LATER_MS, ULAW) * 2
    assert record["end_reason"] == "prompt_played"


async def test_without_a_step_left_the_call_ends_with_its_cause(setup: SetupFactory) -> None:
    async with (
        RealtimeServer(tells(Say(say=STORY))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST | {"fallback": {"reconnect_tries": 0}})) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(200)
        model.sessions[0].close(1011, "oops")
        await caller.hung_up()
        record = await server.next_record()
    assert (record["end_reason"], record["detail"]) == ("backend_lost", "1011: oops")


@pytest.mark.paced
async def test_a_session_is_replaced_before_its_end_and_nobody_hears_it(setup: SetupFactory) -> None:
    """The agent speaks in the first session, and in the second to what the caller says then."""
    before, after = audio.signal(1, 2000, ULAW), audio.signal(2, 1000, ULAW)
    question = audio.signal(3, 600, ULAW)
    backend = {"kind": "openai_realtime", "max_session_s": 5}
    async with (
        RealtimeServer(tells(Pattern(pattern_ms=2000, number=1))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST | {"backend": backend | {"url": model.url}})) as server,
        call(server.setup) as caller,
    ):
        await caller.hear(lambda: caller.speech_heard() == before)
        model.options = tells(Pattern(pattern_ms=1000, number=2))
        await server.wait_log("session_rolled_over")
        await caller.say(question)
        await caller.hear(lambda: caller.speech_heard() == before + after)
        await caller.hang_up()
        record = await server.next_record()
        first, second = model.sessions[:2]

    assert record["rollovers"] >= 1
    assert record["fallback"] == []
    assert first.ended.is_set()
    assert texts(second)[0] == ("assistant", "pattern 1")
    left, right = audio.recorded(record["recording"])
    assert audio.holds(right, audio.samples(before, "PCMU"))
    assert audio.holds(right, audio.samples(after, "PCMU"))
    assert audio.holds(left, audio.samples(question, "PCMU"))
    heard = bytes(first.log.caller_audio) + bytes(second.log.caller_audio)
    assert question in heard


async def test_a_call_that_no_agent_answers_hears_a_prompt(setup: SetupFactory, tmp_path: Path) -> None:
    sorry = tmp_path / "sorry.wav"
    audio.write_wav(sorry, audio.samples(audio.signal(LATER, LATER_MS, ULAW), "PCMU"))
    async with (
        RealtimeServer(RealtimeOptions(faults=Faults(refuse_status=503))) as model,
        running(
            setup(model.url, agent={"fallback": {"steps": [{"prompt": str(sorry)}]}}), spare_threads=1
        ) as server,
        call(server.setup) as caller,
    ):
        await caller.hung_up()
        record = await server.next_record()
    assert audio.signal(LATER, LATER_MS, ULAW) in caller.audio_heard()
    assert (record["end_reason"], record["call_status"]) == ("prompt_played", "completed")
    assert "503" in record["fallback"][0]["cause"]
