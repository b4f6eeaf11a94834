"""Audio through a leg, both ways, in the laws and rates of phone and backend."""

from __future__ import annotations

import pytest

from rtp import g711
from sipagent import events
from sipagent.backends.base import AudioFinished
from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.worker.agent.speaker import PLAYOUT_MAX_MS
from tests.rtp.streams import tone
from tests.worker.fake_udp import PHONE
from tests.worker.rig import SILENCE, Bench, noise


async def test_the_caller_is_heard_bit_for_bit(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(50))
    assert bench.backend.heard == noise(50)
    (started,) = bench.all(events.MediaStarted)
    assert started.source == f"{PHONE[0]}:{PHONE[1]}"


async def test_the_agent_is_heard_bit_for_bit(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    assert bench.beat(50) == noise(50)
    assert bench.beat(2) == SILENCE * 2
    (started,), (ended,) = bench.all(events.AgentSpeechStarted), bench.all(events.AgentSpeechEnded)
    assert (started.item_id, ended.item_id) == ("i1", "i1")
    assert (ended.played_ms, ended.flushed_ms, ended.interrupted, ended.starvations) == (1000, 0, False, {})


async def test_what_the_agent_says_before_the_answer_waits(bench: Bench) -> None:
    await bench.get_ready()
    bench.backend.speak(noise(5))
    bench.start()
    assert bench.beat(5) == noise(5)


async def test_a_hole_in_the_agents_speech_has_a_cause(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(2))
    assert bench.beat(3) == noise(2) + SILENCE
    bench.backend.speak(noise(1))
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    bench.beat(2)
    (ended,) = bench.all(events.AgentSpeechEnded)
    assert ended.starvations == {"backend_late": 1}


async def test_speech_that_has_no_room_shows_in_the_report(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(b"\1" * (PLAYOUT_MAX_MS + 1500) * ULAW.bytes_per_ms)
    ended = await bench.end()
    assert ended.audio["playout_dropped_ms"] == 1500


@pytest.mark.parametrize("audio", [AudioFormat("pcm", 24000)], ids=str)
async def test_a_backend_of_another_rate_hears_and_speaks(bench: Bench) -> None:
    await bench.talk()
    (built,) = bench.all(events.PathBuilt)
    assert built.path == (
        "caller: rtp -> decode(ulaw) -> resample(8000>24000) -> backend"
        " | agent: backend -> resample(24000>8000) -> encode(ulaw) -> playout -> rtp"
    )
    bench.say(g711.pcm_to_ulaw(tone(440, 0.2)))
    assert len(bench.backend.heard) == pytest.approx(0.2 * 48000, abs=0.005 * 48000)
    bench.backend.speak(tone(440, 0.2, 24000))
    bench.beat(9)
    assert not {SILENCE} & set(bench.audio_sent()[-9:])


@pytest.mark.parametrize("audio", [ALAW], ids=str)
async def test_a_backend_that_speaks_the_other_law_is_transcoded(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(2))
    assert bench.backend.heard == g711.ulaw_to_alaw(noise(2))


async def test_a_reinvite_changes_the_law_and_the_path_says_so(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(5))
    bench.start("PCMA")
    bench.say(noise(5, seed=2))
    bench.backend.speak(noise(5, seed=3))
    bench.beat(5)
    assert b"".join(bench.audio_sent()[-5:]) == g711.ulaw_to_alaw(noise(5, seed=3))
    assert bench.backend.heard == noise(5) + g711.alaw_to_ulaw(noise(5, seed=2))
    assert [built.path for built in bench.all(events.PathBuilt)] == [
        "caller: rtp -> backend | agent: backend -> playout -> rtp",
        "caller: rtp -> alaw>ulaw -> backend | agent: backend -> playout -> ulaw>alaw -> rtp",
    ]


async def test_a_reinvite_that_changes_no_law_builds_no_path(bench: Bench) -> None:
    await bench.talk()
    bench.start(direction="recvonly")
    assert len(bench.all(events.PathBuilt)) == 1
