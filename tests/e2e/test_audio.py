"""Audio through the whole server: bit for bit where nothing is converted, by ear where something is."""

from __future__ import annotations

import numpy as np
import pytest

from sipagent.formats import CODECS
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Tone, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

LENGTH_MS = 2000
AGENT_SIGNAL, CALLER_SIGNAL = 7, 8
AGENT_HZ, CALLER_HZ = 600, 1000
#: A sine of a quarter of full scale, as the simulated model speaks it.
AGENT_DB = -15.05
#: Speaks at once, and doesn't take noise for speech: both sides talk at the same time.
TALKS_ALONE = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}


def speaking(part: Pattern | Tone) -> RealtimeOptions:
    return RealtimeOptions(script=(Turn(reply=[part]),), obedient=False)


@pytest.mark.paced
@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_pass_through_is_bit_exact_both_ways_and_in_the_recording(
    setup: SetupFactory, codec: str
) -> None:
    said = audio.signal(CALLER_SIGNAL, LENGTH_MS, CODECS[codec])
    spoken = audio.signal(AGENT_SIGNAL, LENGTH_MS, CODECS[codec])
    async with (
        RealtimeServer(speaking(Pattern(pattern_ms=LENGTH_MS, number=AGENT_SIGNAL))) as model,
        running(setup(model.url, agent=TALKS_ALONE)) as server,
        call(server.setup, codecs=[codec], speech=said) as caller,
    ):
        await caller.hear_speech(LENGTH_MS)
        await server.wait_log("agent_speech_ended")
        await caller.hang_up()
        record = await server.next_record()

        assert spoken in caller.audio_heard()
        assert caller.speech_heard() == spoken
        (session,) = model.sessions
        assert bytes(session.log.caller_audio).startswith(said)
        left, right = audio.recorded(record["recording"])
        assert audio.holds(left, audio.samples(said, codec))
        assert audio.holds(right, audio.samples(spoken, codec))
        assert "resample" not in record["path"]
        assert "decode" not in record["path"]


@pytest.mark.parametrize("backend_audio", ["pcm24", "pcmu"])
async def test_a_converted_call_keeps_pitch_and_level(setup: SetupFactory, backend_audio: str) -> None:
    """The phone speaks A-law, the backend something else: a tone each way, judged at both ends."""
    async with RealtimeServer(speaking(Tone(tone_hz=AGENT_HZ, duration_ms=LENGTH_MS))) as model:
        backend = {"kind": "openai_realtime", "url": model.url, "audio": backend_audio}
        prepared = setup(model.url, agent=TALKS_ALONE | {"backend": backend})
        said = audio.tone(CALLER_HZ, LENGTH_MS, CODECS["PCMA"])
        async with running(prepared) as server, call(prepared, codecs=["PCMA"], speech=said) as caller:
            await caller.hear_speech(LENGTH_MS)
            await server.wait_log("agent_speech_ended")
            await caller.hang_up()
            record = await server.next_record()
        (session,) = model.sessions

    to_backend = audio.received(session.log.caller_audio, backend_audio)
    to_caller = audio.samples(caller.speech_heard(), "PCMA")
    left, right = audio.recorded(record["recording"])
    caller_db = audio.level_db(audio.samples(said, "PCMA"))
    for hz, wanted_db, heard, rate in (
        (CALLER_HZ, caller_db, to_backend, 24000 if backend_audio == "pcm24" else 8000),
        (AGENT_HZ, AGENT_DB, to_caller, 8000),
        (CALLER_HZ, caller_db, left, 8000),
        (AGENT_HZ, AGENT_DB, audio.from_first_sound(right), 8000),
    ):
        second = heard[rate // 2 : 3 * rate // 2]
        assert audio.pitch_hz(second, rate) == pytest.approx(hz, abs=2)
        assert audio.level_db(second) == pytest.approx(wanted_db, abs=1)


@pytest.mark.paced
async def test_echo_returns_every_frame_in_order(setup: SetupFactory) -> None:
    said = audio.signal(CALLER_SIGNAL, LENGTH_MS, CODECS["PCMU"])
    async with running(setup(None)) as server, call(server.setup, speech=said) as caller:
        await caller.hear_speech(LENGTH_MS)
        await caller.hang_up()
        record = await server.next_record()

        spoken = audio.samples(said, "PCMU")
        left, right = audio.recorded(record["recording"])
        assert audio.holds(left, spoken)
        assert audio.plays(right, spoken)
        assert audio.plays(audio.samples(caller.audio_heard(), "PCMU"), spoken)


async def test_both_sides_of_a_recording_are_on_one_clock(setup: SetupFactory) -> None:
    """Echo comes back within a few frames: so it must stand in the recording."""
    said = audio.signal(CALLER_SIGNAL, LENGTH_MS, CODECS["PCMU"])
    async with running(setup(None)) as server, call(server.setup, speech=said) as caller:
        await caller.hear_speech(LENGTH_MS)
        await caller.hang_up()
        record = await server.next_record()

        left, right = audio.recorded(record["recording"])
        delay_ms = (np.flatnonzero(right)[0] - np.flatnonzero(left)[0]) / 8
        assert 0 <= delay_ms <= 60
        assert len(left) / 8000 == pytest.approx(record["duration_s"], abs=0.04)
