"""What a caller and a human hear before they hear each other, and a caller on hold."""

from __future__ import annotations

import json
import signal
import wave
from pathlib import Path

import pytest

from sipagent.formats import ULAW, AudioFormat
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.commanded_server import at_desk
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.server import running
from tests.e2e.support.transfer_desk import (
    GOODBYE,
    GOODBYE_MS,
    REPLY,
    SPEAKS,
    TALK_MS,
    WORDS,
    Desk,
    only_transfer,
    say_goodbye,
    speaks,
    talk,
)
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e


@pytest.mark.paced
async def test_the_human_hears_first_what_it_is_about(setup: SetupFactory) -> None:
    """By the voice of the agent, in a session of its own."""
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, whisper="A caller {summary}.")
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await talk(caller, called)
                await caller.hang_up()
            record = await server.next_record()
        _, briefing = model.sessions
    whisper = audio.signal(GOODBYE, GOODBYE_MS, ULAW)
    assert called.speech_heard().startswith(whisper)
    assert audio.signal(WORDS, TALK_MS, ULAW) in called.audio_heard()
    assert whisper not in caller.audio_heard()[8 * GOODBYE_MS + 1600 :]
    assert "A caller wants a bicycle." in json.dumps(briefing.log.events("in"))
    assert record["usage"]["response"]["count"] == 2


def sound(path: Path, hz: float, ms: int) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, audio.RATE, 0, "NONE", ""))
        file.writeframes(audio.tone(hz, ms, AudioFormat("pcm")))
    return str(path)


@pytest.mark.paced
async def test_files_are_played_to_both_and_the_model_goes_on_listening(
    setup: SetupFactory, tmp_path: Path
) -> None:
    wait, whisper = sound(tmp_path / "wait.wav", 700, 400), sound(tmp_path / "whisper.wav", 900, 600)
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, wait_file=wait, whisper_file=whisper, model="listens")
        async with desk.running(spare_threads=4) as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.rings()
                await caller.hear_speech(GOODBYE_MS + 1000)
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await talk(caller, called)
                await caller.hang_up()
            record = await server.next_record()
        (session,) = model.sessions
    waited = caller.speech_heard()[8 * GOODBYE_MS :][: 8 * 900]
    assert audio.pitch_hz(audio.samples(waited, "PCMU")) == pytest.approx(700, abs=10)
    told = called.speech_heard()[: 8 * 500]
    assert audio.pitch_hz(audio.samples(told, "PCMU")) == pytest.approx(900, abs=10)
    words, reply = audio.signal(WORDS, TALK_MS, ULAW), audio.signal(REPLY, TALK_MS, ULAW)
    assert words in called.audio_heard()
    assert reply in caller.audio_heard()
    assert words in bytes(session.log.caller_audio)
    assert reply[:1600] not in bytes(session.log.caller_audio)
    assert only_transfer(record, "outcome") == ("transferred",)


@pytest.mark.parametrize(("by_file", "pitch_hz"), [(False, 425), (True, 700)], ids=["tone", "file"])
async def test_we_put_a_caller_on_hold_and_take_it_up_again(
    setup: SetupFactory, tmp_path: Path, by_file: bool, pitch_hz: int
) -> None:
    music = {"hold_file": sound(tmp_path / "music.wav", 700, 400)} if by_file else {}
    heard_on_hold = {"hold": "tone"} | music
    async with RealtimeServer(speaks()) as model:
        prepared = setup(model.url, agent=SPEAKS, trunk=heard_on_hold)
        wrapper = at_desk(("Hold", {}), ("Resume", {}))
        async with running(prepared, wrapper=wrapper, spare_threads=4 if by_file else 0) as server:
            async with referred_call(prepared) as caller:
                await caller.hear_speech(GOODBYE_MS)
                server.process.send_signal(signal.SIGUSR1)
                await server.wait_log("call_held", by="us", direction="sendonly")
                await caller.hear_speech(GOODBYE_MS + 150)
                server.process.send_signal(signal.SIGUSR2)
                await server.wait_log("call_resumed")
                await eventually(lambda: caller.holds == ["sendonly", "sendrecv"], "a re-INVITE")
                await caller.hang_up()
            record = await server.next_record()
    (held,) = record["holds"]
    assert (held["by"], held["direction"]) == ("us", "sendonly")
    tone = caller.speech_heard()[8 * GOODBYE_MS :]
    assert audio.pitch_hz(audio.samples(tone, "PCMU")) == pytest.approx(pitch_hz, abs=10)
