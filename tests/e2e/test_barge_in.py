"""Barge-in, measured on the wire: the caller's captured RTP against what the model was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.laws import encoded
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer, ServedSession
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.delay import delayed
from tests.e2e.support.phone import FRAME_MS, Phone, call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

GREETING, ANSWER, CALLER = 1, 2, 3
GREETING_MS, ANSWER_MS, CALLER_MS = 5000, 600, 400
SPEAKS_FIRST = {"greeting": "Hello"}
#: How late this process may note an event of the model or a packet's arrival, on a busy machine.
MEASURING_MS = 20


def script(*greeting: Pattern, speed: float = 8.0) -> RealtimeOptions:
    answer = Turn(reply=[Pattern(pattern_ms=ANSWER_MS, number=ANSWER)])
    return RealtimeOptions(script=(Turn(reply=list(greeting)), answer), obedient=False, speed=speed)


def heard_of(signal: bytes, heard: bytes) -> int:
    """Milliseconds of `signal` with which `heard` begins."""
    same = next((at for at, (a, b) in enumerate(zip(signal, heard, strict=False)) if a != b), len(signal))
    return min(same, len(heard)) // ULAW.bytes_per_ms


def truncations(session: ServedSession) -> list[Mapping[str, Any]]:
    return session.log.events("in", "conversation.item.truncate")


def speech_started_at(session: ServedSession) -> float:
    entry = next(e for e in session.log.entries if e.event["type"] == "input_audio_buffer.speech_started")
    return entry.at


async def interrupt(caller: Phone, after_ms: int) -> None:
    """Talk over the agent, and hear its answer to that."""
    await caller.hear_speech(after_ms)
    await caller.say(audio.signal(CALLER, CALLER_MS, ULAW))
    answer = audio.signal(ANSWER, ANSWER_MS, ULAW)
    await caller.hear(lambda: caller.speech_heard().endswith(answer))


async def test_the_model_is_told_what_was_on_the_wire(setup: SetupFactory) -> None:
    greeting = audio.signal(GREETING, GREETING_MS, ULAW)
    async with (
        RealtimeServer(script(Pattern(pattern_ms=GREETING_MS, number=GREETING))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST)) as server,
        call(server.setup) as caller,
    ):
        await interrupt(caller, after_ms=800)
        await server.wait_log("agent_speech_ended", count=2)
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions

    on_wire_ms = heard_of(greeting, caller.speech_heard())
    (truncation,) = truncations(session)
    assert abs(truncation["audio_end_ms"] - on_wire_ms) <= FRAME_MS

    last = caller.frames_of_speech()[on_wire_ms // FRAME_MS - 1]
    assert (last.at - speech_started_at(session)) * 1000 <= FRAME_MS + MEASURING_MS

    interrupted, _, answered = record["turns"]
    assert interrupted["item_id"] == truncation["item_id"]
    assert interrupted["interrupted"] is True
    assert interrupted["played_ms"] == truncation["audio_end_ms"]
    assert interrupted["flushed_ms"] == GREETING_MS - interrupted["played_ms"]
    assert (answered["interrupted"], answered["played_ms"]) == (False, ANSWER_MS)
    assert [turn["role"] for turn in record["turns"]] == ["agent", "caller", "agent"]
    assert not session.log.events("out", "error")
    _, agent = audio.recorded(record["recording"])
    assert audio.holds(agent, audio.samples(greeting[: on_wire_ms * 8] + ULAW.silence * 160, "PCMU"))


async def test_what_comes_late_from_the_model_is_never_heard(setup: SetupFactory) -> None:
    """The model doesn't stop by itself and is far away: speech of the cancelled response is still coming."""
    greeting, answer = audio.signal(GREETING, GREETING_MS, ULAW), audio.signal(ANSWER, ANSWER_MS, ULAW)
    agent = SPEAKS_FIRST | {"turn_detection": {"kind": "server_vad", "interrupt_response": False}}
    async with (
        RealtimeServer(script(Pattern(pattern_ms=GREETING_MS, number=GREETING), speed=2.0)) as model,
        delayed(model.url, 0.15) as url,
        running(setup(url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        await interrupt(caller, after_ms=600)
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions

    on_wire_ms = heard_of(greeting, caller.speech_heard())
    assert caller.speech_heard() == greeting[: on_wire_ms * ULAW.bytes_per_ms] + answer
    assert abs(truncations(session)[0]["audio_end_ms"] - on_wire_ms) <= FRAME_MS
    assert session.log.events("in", "response.cancel")
    assert record["audio"]["late_deltas"] > 0
    assert not session.log.events("out", "error")


async def test_every_item_not_heard_to_its_end_is_truncated(setup: SetupFactory) -> None:
    """Interrupted in the second of three items: the first was heard, the third never began."""
    lengths = (600, 3000, 1000)
    parts = [Pattern(pattern_ms=ms, number=10 + n) for n, ms in enumerate(lengths)]
    async with (
        RealtimeServer(script(*parts)) as model,
        running(setup(model.url, agent=SPEAKS_FIRST)) as server,
        call(server.setup) as caller,
    ):
        await interrupt(caller, after_ms=1000)
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions

    first, second, third = list(session.log.agent_audio)[:3]
    told = {event["item_id"]: event["audio_end_ms"] for event in truncations(session)}
    heard_ms = heard_of(audio.signal(11, lengths[1], ULAW), caller.speech_heard()[lengths[0] * 8 :])
    assert told.keys() == {second, third}
    assert abs(told[second] - heard_ms) <= FRAME_MS
    assert told[third] == 0
    turns = {turn["item_id"]: turn for turn in record["turns"]}
    assert (turns[first]["interrupted"], turns[first]["played_ms"]) == (False, lengths[0])
    assert turns[second]["interrupted"]
    assert not session.log.events("out", "error")


async def test_speaking_when_the_agent_is_done_truncates_nothing(setup: SetupFactory) -> None:
    async with (
        RealtimeServer(script(Pattern(pattern_ms=600, number=GREETING))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST)) as server,
        call(server.setup) as caller,
    ):
        await server.wait_log("agent_speech_ended")
        await interrupt(caller, after_ms=600)
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions

    assert not truncations(session)
    assert not session.log.events("in", "response.cancel")
    assert not session.log.events("out", "error")
    assert not any(turn["interrupted"] for turn in record["turns"])


async def test_a_cough_makes_the_agent_pause_and_go_on_where_it_was(setup: SetupFactory) -> None:
    """And nobody answers it: the model forgets that it heard something."""
    greeting = audio.signal(GREETING, 3000, ULAW)
    async with (
        RealtimeServer(script(Pattern(pattern_ms=3000, number=GREETING))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST | {"barge_in": {"min_speech_ms": 300}})) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(600)
        await caller.say(audio.signal(CALLER, 120, ULAW))
        await caller.hear(lambda: caller.speech_heard() == greeting)
        await server.wait_log("agent_fell_silent")
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions

    assert longest_pause_ms(caller) > FRAME_MS, "it was never in doubt"
    assert session.log.events("in", "conversation.item.delete")
    assert not truncations(session)
    assert len(session.log.events("in", "response.create")) == 1  # the greeting
    assert not session.log.events("out", "error")
    assert [turn["interrupted"] for turn in record["turns"] if turn["role"] == "agent"] == [False]


async def test_who_speaks_for_long_enough_interrupts_and_is_answered(setup: SetupFactory) -> None:
    async with (
        RealtimeServer(script(Pattern(pattern_ms=GREETING_MS, number=GREETING))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST | {"barge_in": {"min_speech_ms": 200}})) as server,
        call(server.setup) as caller,
    ):
        await interrupt(caller, after_ms=600)
        await caller.hang_up()
        await server.next_record()
        (session,) = model.sessions

    on_wire_ms = heard_of(audio.signal(GREETING, GREETING_MS, ULAW), caller.speech_heard())
    (truncation,) = truncations(session)
    assert abs(truncation["audio_end_ms"] - on_wire_ms) <= FRAME_MS
    assert len(session.log.events("in", "response.create")) == 2
    assert not session.log.events("in", "conversation.item.delete")
    assert not session.log.events("out", "error")


async def test_an_agent_is_not_interrupted_by_its_own_echo(setup: SetupFactory) -> None:
    """The far end returns what it hears, half as loud, a fifth of a second later."""
    speech = audio.signal(GREETING, 3000, ULAW)
    async with (
        RealtimeServer(script(Pattern(pattern_ms=3000, number=GREETING))) as model,
        running(setup(model.url, agent=SPEAKS_FIRST | {"barge_in": {"echo_guard": True}})) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(200)
        await caller.say(half_as_loud(speech[: 2400 * ULAW.bytes_per_ms]))
        await caller.hear(lambda: caller.speech_heard() == speech)
        await server.wait_log("speech_started")
        await caller.hang_up()
        await server.next_record()
        (session,) = model.sessions
    assert not truncations(session)


def half_as_loud(speech: bytes) -> bytes:
    return encoded((audio.samples(speech, "PCMU") // 2).astype("<i2").tobytes(), ULAW)


def longest_pause_ms(caller: Phone) -> int:
    """Of silence between the first frame of speech and the last."""
    spoken = caller.frames_of_speech()
    among = caller.heard[caller.heard.index(spoken[0]) : caller.heard.index(spoken[-1])]
    longest = silent = 0
    for heard in among:
        silent = 0 if heard in spoken else silent + 1
        longest = max(longest, silent)
    return longest * FRAME_MS
