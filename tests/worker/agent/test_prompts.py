"""Prompts among the agent's words: in what order, and who may end them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rtp import g711, wav
from sipagent import events
from sipagent.backends.base import AudioFinished, CallerSpeechStarted
from sipagent.worker.orders import PlayPrompt
from tests.worker.rig import CALL_ID, FRAME, SILENCE, Bench, noise

#: Minus zero doesn't survive decoding.
SOUND = noise(10, seed=9).replace(b"\x7f", b"\x7e")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "prompt.wav"
    pcm = g711.ulaw_to_pcm(SOUND)
    path.write_bytes(wav.header(1, 8000, len(pcm)) + pcm)
    return str(path)


async def play(bench: Bench, file: str, prompt_id: str = "p1", **how: bool) -> None:
    """Returns when it has been read and waits in playout."""
    bench.leg.agent.play(PlayPrompt(call_id=CALL_ID, prompt_id=prompt_id, file=file, **how))
    async with asyncio.timeout(5):
        await asyncio.gather(*bench.leg.agent._jukebox._reading)


def finish(bench: Bench) -> None:
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))


def ended(bench: Bench) -> list[tuple[str, bool]]:
    return [(event.prompt_id, event.completed) for event in bench.all(events.PromptEnded)]


async def test_a_prompt_follows_what_the_agent_is_saying(bench: Bench, file: str) -> None:
    await bench.talk()
    bench.backend.speak(noise(5))
    bench.beat(2)
    await play(bench, file)
    bench.backend.speak(noise(8)[5 * FRAME :])  # more of the same item, before the prompt
    finish(bench)
    bench.backend.speak(noise(3, seed=2), "i2")
    assert bench.beat(20)[: 21 * FRAME] == noise(8)[2 * FRAME :] + SOUND + noise(3, seed=2) + SILENCE
    assert ended(bench) == [("p1", True)]
    assert [event.item_id for event in bench.all(events.AgentSpeechStarted)] == ["i1", "i2"]


async def test_prompts_are_played_in_the_order_in_which_they_were_asked_for(bench: Bench, file: str) -> None:
    await bench.talk()
    bench.leg.agent.play(PlayPrompt(call_id=CALL_ID, prompt_id="p1", file=file))
    await play(bench, "builtin:beep", "p2")
    assert bench.beat(10) == SOUND
    bench.beat(25)
    assert ended(bench) == [("p1", True), ("p2", True)]


async def test_the_caller_can_not_interrupt_a_prompt_unless_it_may(bench: Bench, file: str) -> None:
    await bench.talk()
    await play(bench, file)
    bench.backend.speak(noise(5))
    bench.beat(2)
    bench.backend.say(CallerSpeechStarted(item_id="c1"))
    assert bench.beat(10) == SOUND[2 * FRAME :] + SILENCE * 2
    assert ended(bench) == [("p1", True)]
    assert bench.backend.told[-1] == ("interrupt", "i1", 0, 0)


async def test_an_interruptible_one_ends(bench: Bench, file: str) -> None:
    await bench.talk()
    await play(bench, file, interruptible=True)
    bench.beat(2)
    bench.backend.say(CallerSpeechStarted(item_id="c1"))
    assert bench.beat(3) == SILENCE * 3
    assert ended(bench) == [("p1", False)]
    assert bench.backend.told[-1] == ("interrupt", None, 0, 0)


async def test_a_filler_goes_on_until_the_agent_speaks(bench: Bench, file: str) -> None:
    await bench.talk()
    await play(bench, file, repeat=True, over=True)
    assert bench.beat(25) == (SOUND * 3)[: 25 * FRAME]
    bench.backend.speak(noise(5))
    finish(bench)
    assert bench.beat(6) == noise(5) + SILENCE
    (filler,) = bench.all(events.PromptEnded)
    assert (filler.completed, filler.detail) == (False, "the agent speaks")
    assert not bench.all(events.AgentSpeechEnded)[0].starvations


async def test_what_repeats_can_be_stopped_and_what_waited_follows(bench: Bench, file: str) -> None:
    await bench.talk()
    await play(bench, file, repeat=True)
    bench.backend.speak(noise(3))
    finish(bench)
    assert bench.beat(30) == SOUND * 3
    bench.leg.agent.stop_prompt("p1")
    assert bench.beat(3) == noise(3)
    bench.leg.agent.stop_prompt("p1")
    assert ended(bench) == [("p1", False)]


async def test_a_file_that_is_gone_has_ended(bench: Bench, tmp_path: Path) -> None:
    await bench.talk()
    await play(bench, str(tmp_path / "gone.wav"))
    (prompt,) = bench.all(events.PromptEnded)
    assert not prompt.completed
    assert "No such file" in prompt.detail


async def test_one_that_is_stopped_before_it_was_read_is_never_heard(bench: Bench, file: str) -> None:
    await bench.talk()
    bench.leg.agent.play(PlayPrompt(call_id=CALL_ID, prompt_id="p1", file=file))
    bench.leg.agent.stop_prompt("p1")
    await play(bench, file, "p2")
    bench.beat(12)
    assert ended(bench) == [("p1", False), ("p2", True)]


async def test_an_agent_that_stops_in_mid_sentence_leaves_a_sign_of_life(bench: Bench) -> None:
    await bench.talk()
    bench.backend.is_busy = True
    bench.backend.speak(noise(5))
    bench.beat(5)
    assert bench.beat(50) == SILENCE * 50
    assert bench.beat(30) != SILENCE * 30
    bench.backend.speak(noise(5, seed=2))
    assert noise(4, seed=2) in bench.beat(6)
    assert ended(bench) == [("stall", False)]


async def test_a_sign_of_life_ends_with_the_response(bench: Bench) -> None:
    await bench.talk()
    bench.backend.is_busy = True
    bench.backend.speak(noise(5))
    bench.beat(100)
    bench.backend.is_busy = False
    bench.beat()
    assert bench.beat(100) == SILENCE * 100
