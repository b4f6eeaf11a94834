"""How calls begin and end by their agent's story: what was said was heard, to the last sample."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Call, Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer, ServedSession
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, tones
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

#: What the caller says is no speech to it.
DEAF = {"turn_detection": {"kind": "server_vad", "threshold": 1.0}}


def obedient(*turns: Turn) -> RealtimeOptions:
    """A model that says what it is told, in sounds that can be told apart."""
    return RealtimeOptions(script=turns or RealtimeOptions().script, reply_delay_ms=50, voice="synthetic")


def said(session: ServedSession) -> dict[str, bytes]:
    """All that the model said, by its words."""
    words = {
        event["item_id"]: event["transcript"]
        for event in session.log.events("out", "response.output_audio_transcript.done")
    }
    return {words[item]: bytes(sound) for item, sound in session.log.agent_audio.items() if item in words}


def was_heard(caller: Phone, sound: bytes) -> bool:
    return sound in caller.audio_heard()


async def test_the_recording_begins_when_consent_was_heard(setup: SetupFactory) -> None:
    """Consent is not open to interruption; the greeting comes after it and is recorded."""
    consent, greeting = "This call is recorded.", "Hello, how can I help?"
    agent = {"greeting": greeting, "record": True, "story": {"consent": {"say": consent}}}
    async with (
        RealtimeServer(obedient(Turn(reply=[Pattern(pattern_ms=200)]))) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        await caller.hear_speech(200)
        await caller.say(audio.signal(9, 300, ULAW))
        await server.wait_log("recording_started")
        await caller.hear(
            lambda: (
                greeting in said(model.sessions[0]) and was_heard(caller, said(model.sessions[0])[greeting])
            )
        )
        await caller.hang_up()
        record = await server.next_record()
        sounds = said(model.sessions[0])
    assert was_heard(caller, sounds[consent])
    _, recorded = audio.recorded(record["recording"])
    assert audio.holds(recorded, audio.samples(sounds[greeting], "PCMU"))
    assert not audio.holds(recorded, audio.samples(sounds[consent][1600:4800], "PCMU"))


async def test_nobody_there(setup: SetupFactory) -> None:
    """A reminder, a goodbye that is heard to its end, and the line is cut."""
    story: dict[str, Any] = {
        "silence": {"after_s": 0.6, "say": "Are you there?", "times": 1},
        "goodbye": {"say": "Goodbye then."},
    }
    async with (
        RealtimeServer(obedient()) as model,
        running(setup(model.url, agent=DEAF | {"greeting": "Hello.", "story": story})) as server,
        call(server.setup) as caller,
    ):
        await caller.hung_up()
        record = await server.next_record()
        sounds = said(model.sessions[0])
    assert list(sounds) == ["Hello.", "Are you there?", "Goodbye then."]
    assert record["end_reason"] == "caller_silent"
    assert all(was_heard(caller, sound) for sound in sounds.values())
    _, recorded = audio.recorded(record["recording"])
    assert audio.holds(recorded, audio.samples(sounds["Goodbye then."], "PCMU"))


async def test_the_model_hangs_up_when_its_goodbye_was_heard(setup: SetupFactory) -> None:
    farewell_ms = 2000
    bye = Turn(reply=[Pattern(pattern_ms=farewell_ms, number=5), Call(call="hang_up")])
    async with (
        RealtimeServer(RealtimeOptions(script=(bye,), obedient=False, reply_delay_ms=50)) as model,
        running(setup(model.url, agent={"tools": {"hang_up": {"kind": "hang_up"}}})) as server,
        call(server.setup) as caller,
    ):
        await caller.say(audio.signal(9, 400, ULAW))
        await server.wait_log("tool_called")
        assert len(caller.speech_heard()) < farewell_ms * 8
        await caller.hung_up()
        record = await server.next_record()
        (session,) = model.sessions
    farewell = audio.signal(5, farewell_ms, ULAW)
    assert caller.speech_heard() == farewell
    assert record["end_reason"] == "agent_hung_up"
    assert [use["outcome"] for use in record["tools"]] == ["ok"]
    _, recorded = audio.recorded(record["recording"])
    assert audio.holds(recorded, audio.samples(farewell, "PCMU"))
    assert not session.log.events("in", "response.create")


async def test_a_caller_who_speaks_into_the_goodbye_keeps_the_call(setup: SetupFactory) -> None:
    bye = Turn(reply=[Pattern(pattern_ms=4000, number=5), Call(call="hang_up")])
    more = Turn(reply=[Pattern(pattern_ms=600, number=6)])
    async with (
        RealtimeServer(RealtimeOptions(script=(bye, more), obedient=False, reply_delay_ms=50)) as model,
        running(setup(model.url, agent={"tools": {"hang_up": {"kind": "hang_up"}}})) as server,
        call(server.setup) as caller,
    ):
        await caller.say(audio.signal(9, 400, ULAW))
        await server.wait_log("tool_called")
        await caller.say(audio.signal(9, 400, ULAW))
        answer = audio.signal(6, 600, ULAW)
        await caller.hear(lambda: answer in caller.speech_heard())
        await caller.hang_up()
        record = await server.next_record()
    assert record["end_reason"] == "caller_hung_up"
    assert record["tools"][0]["outcome"] == "interrupted"


async def test_a_goodbye_before_the_longest_duration(setup: SetupFactory, tmp_path: Any) -> None:
    """From files: the goodbye at three quarters, whole, and the end."""
    goodbye = tones.wav(tmp_path / "goodbye.wav", hz=440, ms=600)
    greeting = tones.wav(tmp_path / "greeting.wav", hz=660, ms=400)
    story = {"goodbye": {"file": str(goodbye)}, "greeting_file": str(greeting)}
    async with (
        RealtimeServer(obedient()) as model,
        running(
            setup(model.url, agent=DEAF | {"story": story, "max_call_duration_s": 4}), spare_threads=2
        ) as server,
        call(server.setup) as caller,
    ):
        await caller.hung_up()
        record = await server.next_record()
    assert record["end_reason"] == "max_duration"
    assert record["duration_s"] < 4.0
    heard = audio.samples(caller.speech_heard(), "PCMU")
    assert abs(audio.pitch_hz(heard[:3200]) - 660) < 5
    assert abs(audio.pitch_hz(heard[3200:]) - 440) < 5
    assert len(heard) == 8000


async def test_keys_reach_the_model_as_one_number(setup: SetupFactory) -> None:
    """Even where they are kept out of everything else."""
    agent = DEAF | {"record_digits": False, "story": {"digits": {"kind": "collect"}}}
    answer = Turn(reply=[Pattern(pattern_ms=600, number=6)])
    async with (
        RealtimeServer(RealtimeOptions(script=(answer,), obedient=False)) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        for count, digit in enumerate("48291730#", start=1):
            caller.press(digit)
            await server.wait_log("digit_received", count=count)
        await caller.hear_speech(600)
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions
    told = [
        event["item"]["content"][0]["text"] for event in session.log.events("in", "conversation.item.create")
    ]
    assert told == ["[The caller entered 48291730 on the keypad]"]
    assert [press["digit"] for press in record["digits"]] == ["***"] * 9
    assert "48291730" not in "".join(map(str, server.log))


async def test_keys_are_choices_of_a_menu(setup: SetupFactory) -> None:
    hours, bye = "We are open from nine to five.", "Goodbye then."
    choices = {"1": {"say": hours}, "9": {"say": bye, "hang_up": True}}
    agent = DEAF | {"story": {"digits": {"kind": "menu", "choices": choices}}}
    async with (
        RealtimeServer(obedient()) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        caller.press("1")
        await server.wait_log("agent_fell_silent")
        caller.press("9")
        await caller.hung_up()
        record = await server.next_record()
        sounds = said(model.sessions[0])
    assert list(sounds) == [hours, bye]
    assert all(was_heard(caller, sound) for sound in sounds.values())
    assert (record["end_reason"], record["detail"]) == ("agent_hung_up", "key 9")
