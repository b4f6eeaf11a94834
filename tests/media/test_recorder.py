"""Recordings: bit-exact, on one clock, and without what must not be in them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rtp import g711
from sipagent.formats import ALAW, ULAW
from sipagent.media.pipeline import PCM_8K
from sipagent.media.recorder import RecordingOutcome, RecordingWriter
from tests.media.recorded_call import SOON_S, START, Call, frames, noise, sides


@pytest.mark.parametrize(
    ("law", "decode"), [(ULAW, g711.ulaw_to_pcm), (ALAW, g711.alaw_to_pcm)], ids=["ulaw", "alaw"]
)
def test_both_sides_are_in_the_file_bit_for_bit(path: Path, writer: RecordingWriter, law, decode) -> None:  # type: ignore[no-untyped-def]
    caller, agent = noise(2.5, seed=1), noise(2.5, seed=2)
    call = Call(path, writer, law, law)
    call.flow(caller, agent)
    assert call.hang_up() == RecordingOutcome(str(path), truncated=False)
    assert sides(path) == (decode(caller), decode(agent))


def test_each_side_may_have_a_format_of_its_own(path: Path, writer: RecordingWriter) -> None:
    caller, agent = noise(1.0, seed=1), noise(2.0, seed=2)
    call = Call(path, writer, ALAW, PCM_8K)
    call.flow(caller, agent, (160, 320))
    call.hang_up()
    assert sides(path) == (g711.alaw_to_pcm(caller), agent)


def test_a_change_of_law_is_not_heard_in_the_recording(path: Path, writer: RecordingWriter) -> None:
    before, after, agent = noise(0.5, seed=1), noise(0.5, seed=2), noise(1.0, seed=3)
    call = Call(path, writer, ULAW, ULAW)
    call.flow(before, agent[:4000])
    call.change_law(ALAW)
    call.flow(after, agent[4000:])
    call.hang_up()
    caller = g711.ulaw_to_pcm(before) + g711.ulaw_to_pcm(g711.alaw_to_ulaw(after))
    assert sides(path) == (caller, g711.ulaw_to_pcm(agent))


def test_until_it_is_complete_a_recording_is_a_part(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
    written = threading.Event()
    writer.submit(written.set)
    assert written.wait(SOON_S)
    assert [each.name for each in path.parent.iterdir()] == ["c-1.wav.part"]
    call.hang_up()
    assert [each.name for each in path.parent.iterdir()] == ["c-1.wav"]


def test_a_call_without_audio_has_the_length_of_its_silence(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    call.now += 1.0
    assert not call.hang_up().truncated
    assert sides(path) == (b"\0" * 16000, b"\0" * 16000)


def test_a_call_of_no_time_has_no_file(path: Path, writer: RecordingWriter) -> None:
    assert not Call(path, writer).hang_up().truncated
    assert not path.parent.exists()


def test_what_waited_for_another_worker_is_recorded_whole(path: Path, writer: RecordingWriter) -> None:
    """The sockets of a lost worker hold what came meanwhile: it is heard at once, with the agent's next frame
    in the midst of it."""
    lost_s, waited_s = 0.6, 0.58
    call = Call(path, writer, goes_on_from=START - 2)
    waiting, later = frames(noise(waited_s, 1), 160), noise(1.6, 2)
    call.now += lost_s
    for frame in waiting[:10]:
        call.hear(frame)
    call.flow(waiting[10], ULAW.silence * 160)
    for frame in waiting[11:]:
        call.hear(frame)
    call.flow(later, ULAW.silence * len(later))
    assert not call.hang_up().truncated
    assert g711.ulaw_to_pcm(b"".join(waiting) + later) in sides(path)[0]


def test_a_press_is_silence_on_the_callers_side_alone(path: Path, writer: RecordingWriter) -> None:
    caller, agent = noise(3.0, seed=1), noise(3.0, seed=2)
    call = Call(path, writer)
    call.flow(caller[:12_000], agent[:12_000])
    call.recorder.mute_caller(before_s=0.3, after_s=0.2)
    call.flow(caller[12_000:], agent[12_000:])
    call.hang_up()
    press = slice(12_000 - 2400, 12_000 + 1600)
    muted = caller[: press.start] + ULAW.silence * 4000 + caller[press.stop :]
    assert sides(path) == (g711.ulaw_to_pcm(muted), g711.ulaw_to_pcm(agent))


def test_our_own_digits_are_silence_on_the_agents_side(path: Path, writer: RecordingWriter) -> None:
    caller, agent = noise(1.0, seed=1), noise(1.0, seed=2)
    call = Call(path, writer)
    call.flow(caller[:4000], agent[:4000])
    call.recorder.mute_agent(0.02)
    call.flow(caller[4000:], agent[4000:])
    call.hang_up()
    muted = agent[:4000] + ULAW.silence * 160 + agent[4160:]
    assert sides(path) == (g711.ulaw_to_pcm(caller), g711.ulaw_to_pcm(muted))
