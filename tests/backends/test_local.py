"""Backends without a model: a prompt, and a machine that takes messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtp import wav
from sipagent.backends.base import AudioReceived, BackendEvent, BackendFinished, SessionReady
from sipagent.backends.message import Message
from sipagent.backends.prompt import PromptBackend
from sipagent.backends.voicemail import VoicemailBackend
from sipagent.config import PromptConfig, VoicemailConfig
from sipagent.errors import BackendRefused
from sipagent.sounds import tones

SPEECH = tones.mix((300,), (8000,), 1000)
QUIET = tones.silence(1000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    path.write_bytes(wav.header(1, 8000, len(SPEECH)) + SPEECH)
    return path


def audio_of(events: list[BackendEvent]) -> list[bytes]:
    return [event.audio for event in events if isinstance(event, AudioReceived)]


def finished(events: list[BackendEvent]) -> list[BackendFinished]:
    return [event for event in events if isinstance(event, BackendFinished)]


async def test_a_prompt_is_played_as_often_as_wanted(file: Path) -> None:
    events: list[BackendEvent] = []
    backend = PromptBackend(PromptConfig(file=file, times=2, pause_ms=100))
    await backend.open(events.append)
    assert events == [SessionReady()]
    backend.greet()
    assert audio_of(events) == [SPEECH]
    backend.played("prompt_1")
    assert audio_of(events)[1] == tones.silence(100) + SPEECH
    assert not finished(events)
    backend.played("prompt_2")
    assert [event.outcome for event in finished(events)] == ["prompt_played"]


async def test_a_prompt_without_end_goes_on(file: Path) -> None:
    events: list[BackendEvent] = []
    backend = PromptBackend(PromptConfig(file=file, times=None))
    await backend.open(events.append)
    backend.greet()
    for number in range(1, 20):
        backend.played(f"prompt_{number}")
    assert len(audio_of(events)) == 20


async def test_a_file_that_is_gone_refuses_the_call(tmp_path: Path) -> None:
    backend = PromptBackend(PromptConfig(file=tmp_path / "gone.wav"))
    with pytest.raises(BackendRefused, match="No such file"):
        await backend.open(lambda event: None)


async def voicemail(events: list[BackendEvent], **keys: object) -> VoicemailBackend:
    backend = VoicemailBackend(VoicemailConfig.model_validate(keys))
    await backend.open(events.append)
    backend.greet()
    return backend


async def test_a_message_begins_after_the_beep_and_ends_with_silence() -> None:
    events: list[BackendEvent] = []
    backend = await voicemail(events, silence_s=2)
    assert audio_of(events) == [tones.beep()]
    backend.send_audio(SPEECH * 9)  # over the beep: nobody listens yet
    backend.played("greeting_1")
    for second in (SPEECH, SPEECH, QUIET, SPEECH, QUIET):
        backend.send_audio(second)
    assert not finished(events)
    backend.send_audio(QUIET)
    (done,) = finished(events)
    assert (done.outcome, done.message_ms) == ("message_taken", 4000)
    backend.finish()
    assert len(finished(events)) == 1


@pytest.mark.parametrize(("key", "ends"), [("#", True), ("5", False)])
async def test_a_message_ends_with_a_key(key: str, ends: bool) -> None:
    events: list[BackendEvent] = []
    backend = await voicemail(events)
    backend.send_digit("#")  # too early
    backend.played("greeting_1")
    backend.send_audio(SPEECH)
    backend.send_digit(key)
    assert bool(finished(events)) is ends


async def test_who_says_nothing_leaves_no_message() -> None:
    events: list[BackendEvent] = []
    backend = await voicemail(events, silence_s=1, beep=False)
    backend.send_audio(QUIET)
    assert [event.outcome for event in finished(events)] == ["no_message"]


async def test_who_hangs_up_has_left_a_message() -> None:
    events: list[BackendEvent] = []
    backend = await voicemail(events, beep=False)
    backend.send_audio(SPEECH)
    backend.finish()
    assert [(event.outcome, event.message_ms) for event in finished(events)] == [("message_taken", 1000)]


def test_a_message_has_a_longest_length() -> None:
    message = Message(max_ms=3000, silence_ms=1000)
    message.hear(SPEECH * 9)
    assert message.is_over
    assert message.spoken_ms == 3000


def test_a_click_is_no_message() -> None:
    message = Message(max_ms=3000, silence_ms=1000)
    message.hear(QUIET[:3200] + np.full(80, 20000, "<i2").tobytes() + QUIET)
    assert message.spoken_ms == 0
