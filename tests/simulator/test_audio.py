"""Where simulated parties get their audio, and how the simulated model hears the caller's."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from pydantic import ValidationError

from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.simulator import voice
from sipagent.simulator.laws import decoded, encoded
from sipagent.simulator.realtime_options import (
    Call,
    Faults,
    Pattern,
    Say,
    Tone,
    Turn,
    Wav,
    load_options,
    load_script,
)
from sipagent.simulator.realtime_vad import EnergyVad

PCM24 = AudioFormat("pcm", 24000)
FORMATS = [ULAW, ALAW, PCM24]
VAD = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200, "prefix_padding_ms": 0}


def strongest_hz(audio: bytes, audio_format: AudioFormat) -> float:
    samples = np.frombuffer(decoded(audio, audio_format), "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * audio_format.rate / len(samples))


@pytest.mark.parametrize("audio_format", FORMATS, ids=str)
def test_patterns_survive_decoding_and_differ(audio_format):
    one, two = (voice.pattern(number, 1000, audio_format) for number in (1, 2))
    assert len(one) == 1000 * audio_format.bytes_per_ms
    assert encoded(decoded(one, audio_format), audio_format) == one
    assert one != two
    assert len(set(one)) > 30


@pytest.mark.parametrize("audio_format", FORMATS, ids=str)
def test_a_tone_is_one(audio_format):
    assert strongest_hz(voice.tone(440, 500, audio_format), audio_format) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("audio_format", FORMATS, ids=str)
@pytest.mark.parametrize("synthetic", [True, False])
def test_speech_is_audible_and_as_long_as_speech(audio_format, synthetic):
    if not synthetic and voice.espeak() is None:
        pytest.skip("espeak-ng is not installed")
    audio = voice.speech("Hello, this is a test.", audio_format, synthetic)
    assert 800 < len(audio) / audio_format.bytes_per_ms < 4000
    samples = np.frombuffer(decoded(audio, audio_format), "<i2")
    assert 3000 < np.abs(samples.astype(int)).max() < 32000


def test_without_espeak_there_is_a_voice_all_the_same(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    voice.espeak.cache_clear()
    try:
        assert voice.speech("Nobody home.", ULAW) == voice.speech("Nobody home.", ULAW, True)
    finally:
        voice.espeak.cache_clear()
        voice.speech.cache_clear()


def test_silent_text_makes_no_sound():
    assert voice.speech("", ULAW, True) == b""


def test_a_wav_file_of_any_rate(tmp_path: Path):
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 48000, 0, "NONE", ""))
        left = np.frombuffer(voice.tone(500, 400, AudioFormat("pcm", 48000)), "<i2")
        file.writeframes(np.stack([left, np.zeros_like(left)], axis=1).tobytes())
    audio = voice.wav_file(path, ULAW)
    assert len(audio) == pytest.approx(3200, abs=8)
    assert strongest_hz(audio, ULAW) == pytest.approx(500, abs=3)


@pytest.mark.parametrize("audio_format", FORMATS, ids=str)
@pytest.mark.parametrize("frame_ms", [10, 20, 30, 200])
def test_vad_finds_speech_whatever_the_frames(audio_format, frame_ms):
    silence = encoded(bytes(audio_format.rate // 1000 * 2 * 500), audio_format)
    audio = silence + voice.tone(300, 400, audio_format) + silence
    vad, size = EnergyVad(), frame_ms * audio_format.bytes_per_ms
    turns = []
    for start in range(0, len(audio), size):
        turns += vad.feed(audio[start : start + size], audio_format, VAD)
    assert turns == [("started", 500), ("stopped", 1100)]


@pytest.mark.parametrize(
    ("settings", "turns"),
    [
        ({}, [("started", 100), ("stopped", 700)]),
        ({"prefix_padding_ms": 60}, [("started", 40), ("stopped", 700)]),
        ({"prefix_padding_ms": 300}, [("started", 0), ("stopped", 700)]),
        ({"silence_duration_ms": 400}, [("started", 100), ("stopped", 900)]),
        ({"threshold": 1.0}, []),
        ({"type": "semantic_vad", "eagerness": "high"}, [("started", 100), ("stopped", 800)]),
        ({"type": "semantic_vad", "eagerness": "low"}, [("started", 100), ("stopped", 1500)]),
    ],
)
def test_vad_settings(settings, turns):
    audio = b"\xff" * 800 + quiet_tone() + b"\xff" * 16000
    assert EnergyVad().feed(audio, ULAW, {**VAD, **settings}) == turns


def test_a_click_is_not_speech():
    audio = b"\xff" * 800 + voice.tone(300, 40, ULAW) + b"\xff" * 8000
    assert EnergyVad().feed(audio, ULAW, VAD) == []


def quiet_tone() -> bytes:
    """400 ms at some 30 dB below full scale."""
    loud = np.frombuffer(decoded(voice.tone(300, 400, ULAW), ULAW), "<i2")
    return encoded((loud // 6).astype("<i2").tobytes(), ULAW)


def test_a_script_file(tmp_path: Path):
    path = tmp_path / "script.yaml"
    path.write_text(
        dedent(
            """
            turns:
              - heard: What are your hours?
                reply:
                  - say: Nine to five.
                  - tone_hz: 440
                  - {wav: jingle.wav, text: la la}
                  - pattern_ms: 500
              - reply: [{call: lookup, arguments: {day: Monday}}]
            """
        )
    )
    first, second = load_script(path)
    assert first.heard == "What are your hours?"
    assert first.reply == [
        Say(say="Nine to five."),
        Tone(tone_hz=440),
        Wav(wav=tmp_path / "jingle.wav", text="la la"),
        Pattern(pattern_ms=500),
    ]
    assert second.reply == [Call(call="lookup", arguments={"day": "Monday"})]


def test_a_script_file_may_hold_other_options_too(tmp_path: Path):
    path = tmp_path / "expiring.yaml"
    path.write_text("{speed: 5, faults: {expire_after_s: 30}, turns: [{reply: [{say: Hi.}]}]}")
    options = load_options(path)
    assert options.speed == 5
    assert options.faults == Faults(expire_after_s=30)
    assert options.script == (Turn(reply=[Say(say="Hi.")]),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "faults: {explode: 1}",
        "colour: red",
        "turns: []\n",
        "turns: [{reply: []}]",
        "turns: [{reply: [{shout: x}]}]",
    ],
)
def test_a_script_that_is_none(tmp_path: Path, text):
    path = tmp_path / "script.yaml"
    path.write_text(text)
    with pytest.raises(ValidationError):
        load_script(path)
