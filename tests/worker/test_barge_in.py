"""A caller who speaks while the agent does."""

from __future__ import annotations

from sipagent import events
from tests.worker.rig import FRAME, SILENCE, Bench, noise
from tests.worker.scripted_backend import caller_speaks


async def test_a_caller_who_speaks_silences_the_agent_at_once(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    assert bench.beat(3) == noise(50)[: 3 * FRAME]
    bench.backend.say(caller_speaks())
    assert bench.backend.told[-1] == ("interrupt", "i1", 0, 60)
    assert bench.beat(2) == SILENCE * 2
    (ended,) = bench.all(events.AgentSpeechEnded)
    assert (ended.played_ms, ended.flushed_ms, ended.interrupted) == (60, 940, True)
    (speech,) = bench.all(events.SpeechStarted)
    assert (speech.item_id, speech.audio_ms) == ("caller-1", 1500)


async def test_the_model_learns_of_an_item_of_which_nothing_was_heard(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    bench.backend.say(caller_speaks())
    assert bench.backend.told[-1] == ("interrupt", "i1", 0, 0)
    assert bench.all(events.AgentSpeechStarted) == []


async def test_an_interruption_of_silence_names_no_item(bench: Bench) -> None:
    await bench.talk()
    bench.beat(3)
    bench.backend.say(caller_speaks())
    assert bench.backend.told[-1] == ("interrupt", None, 0, 0)


async def test_a_caller_may_speak_before_the_answer(bench: Bench) -> None:
    await bench.get_ready()
    bench.backend.speak(noise(5))
    bench.backend.say(caller_speaks())
    bench.start()
    assert bench.beat(2) == SILENCE * 2
