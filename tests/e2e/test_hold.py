"""Hold by re-INVITE, as peers of both RFCs do it, and what each side hears of it."""

from __future__ import annotations

import time

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.desk_phone import desk_call
from tests.e2e.support.lengths import flowed_s
from tests.e2e.support.server import running
from tests.e2e.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

GREETING, GREETING_MS, MUSIC, WORDS = 1, 3000, 2, 3
HELD_MS = 800
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}


def greets() -> RealtimeOptions:
    script = (Turn(reply=[Pattern(pattern_ms=GREETING_MS, number=GREETING)]),)
    return RealtimeOptions(script=script, obedient=False)


@pytest.mark.parametrize(
    ("direction", "at_nowhere", "ours"),
    [
        ("sendonly", False, "recvonly"),
        ("inactive", False, "inactive"),
        ("sendrecv", True, "recvonly"),
        ("sendonly", True, "recvonly"),
    ],
    ids=["sendonly", "inactive", "0.0.0.0", "sendonly at 0.0.0.0"],
)
async def test_hold_in_mid_speech(setup: SetupFactory, direction: str, at_nowhere: bool, ours: str) -> None:
    async with (
        RealtimeServer(greets()) as model,
        running(setup(model.url, agent=SPEAKS)) as server,
        desk_call(server.setup) as caller,
    ):
        await caller.hear_speech(600)
        answer = await caller.hold(direction, at_nowhere=at_nowhere)
        assert f"a={ours}" in answer.body
        await server.wait_log("call_held", direction=ours)
        (session,) = model.sessions
        heard, got = len(caller.heard), len(session.log.caller_audio)
        await caller.say(audio.signal(MUSIC, HELD_MS, ULAW))
        await eventually(lambda: len(session.log.caller_audio) - got >= 8 * HELD_MS, "silence for the model")
        assert len(caller.heard) - heard <= 2
        assert "a=sendrecv" in (await caller.resume()).body
        await server.wait_log("call_resumed")
        await caller.say(audio.signal(WORDS, 500, ULAW))
        await server.wait_log("agent_speech_ended")
        hung_up_at = time.monotonic()
        await caller.hang_up()
        record = await server.next_record()

    assert caller.speech_heard() == audio.signal(GREETING, GREETING_MS, ULAW)
    model_heard = bytes(session.log.caller_audio)
    music = audio.signal(MUSIC, HELD_MS, ULAW)
    assert not any(music[at : at + 160] in model_heard for at in range(1600, len(music) - 1600, 160))
    assert audio.signal(WORDS, 500, ULAW)[800:] in model_heard
    (turn,) = [turn for turn in record["turns"] if turn["role"] == "agent"]
    assert (turn["played_ms"], turn["flushed_ms"], turn["starvations"]) == (GREETING_MS, 0, {})
    (held,) = record["holds"]
    assert held["direction"] == ours
    assert held["ended_s"] - held["started_s"] == pytest.approx(HELD_MS / 1000, abs=0.2)
    left, right = audio.recorded(record["recording"])
    assert len(left) / 8000 == pytest.approx(flowed_s(server, record, hung_up_at), abs=0.04)
    during = slice(round(8000 * (held["started_s"] + 0.3)), round(8000 * (held["ended_s"] - 0.3)))
    assert not right[during].any()
    assert not left[during].any()


async def test_a_peer_that_listens_on_hold_gets_the_hold_tone(setup: SetupFactory) -> None:
    async with (
        RealtimeServer() as model,
        running(setup(model.url, trunk={"hold": "tone"})) as server,
        desk_call(server.setup) as caller,
    ):
        answer = await caller.hold("recvonly")
        assert "a=sendonly" in answer.body
        await caller.hear_speech(150)
        await caller.resume()
        await caller.hang_up()
        record = await server.next_record()
    assert record["holds"][0]["direction"] == "sendonly"
    assert audio.pitch_hz(audio.samples(caller.speech_heard(), "PCMU")) == pytest.approx(425, abs=10)
