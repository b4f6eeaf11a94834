"""Where simulated parties get their audio: espeak-ng if it is there, else a synthetic voice; tones; patterns.

Everything is a function of its arguments, so it is made once and shared by all sessions.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import wave
from functools import cache, lru_cache
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import soxr

from sipagent.formats import AudioFormat
from sipagent.simulator.laws import encoded
from sipagent.simulator.realtime_options import AnyPart, Pattern, Say, Tone, Wav
from sipagent.simulator.realtime_response import Sound

Samples = npt.NDArray[np.int16]

_SYNTHETIC_RATE = 24000
_SPEECH_PEAK = 0.5


def sound(part: AnyPart, audio_format: AudioFormat, synthetic: bool = False) -> Sound:
    """The sound of one part of a script. Speech may take some 50 ms the first time: call it off the loop."""
    match part:
        case Say():
            return Sound(part.say, speech(part.say, audio_format, synthetic))
        case Tone():
            return Sound("", tone(part.tone_hz, part.duration_ms, audio_format))
        case Wav():
            return Sound(part.text, wav_file(part.wav, audio_format))
        case Pattern():
            number = part.number or 0
            return Sound(f"pattern {number}", pattern(number, part.pattern_ms, audio_format))
        case _:
            return Sound("", b"")


@lru_cache(maxsize=256)
def speech(text: str, audio_format: AudioFormat, synthetic: bool = False) -> bytes:
    """Spoken `text`."""
    program = None if synthetic else espeak()
    rate, samples = _syllables(text) if program is None else _espeak(program, text)
    return converted(samples, rate, audio_format)


@cache
def espeak() -> str | None:
    return shutil.which("espeak-ng") or shutil.which("espeak")


@lru_cache(maxsize=64)
def tone(hz: float, duration_ms: int, audio_format: AudioFormat) -> bytes:
    """A sine at a quarter of full scale."""
    count = audio_format.rate * duration_ms // 1000
    wave_form = 8192 * np.sin(2 * np.pi * hz * np.arange(count) / audio_format.rate)
    return encoded(wave_form.astype("<i2").tobytes(), audio_format)


@lru_cache(maxsize=64)
def wav_file(path: Path, audio_format: AudioFormat) -> bytes:
    """The first channel of a 16-bit WAV file. Raises OSError or wave.Error."""
    with wave.open(str(path), "rb") as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return converted(np.ascontiguousarray(frames[:, 0]), file.getframerate(), audio_format)


@lru_cache(maxsize=64)
def pattern(number: int, duration_ms: int, audio_format: AudioFormat) -> bytes:
    """Pseudo-random audio, another for each `number`, which survives decoding and encoding byte by byte.

    Words from the quieter half of the law (mu-law's 0x7F, its second zero, does not survive and is not
    among them), or PCM samples of the same loudness.
    """
    count = audio_format.rate * duration_ms // 1000
    noise = Random(number).randbytes(count)
    if audio_format.encoding == "pcm":
        samples = (np.frombuffer(noise, np.uint8).astype(np.int16) - 128) * 16
        return samples.astype("<i2").tobytes()
    quiet = bytes(word for word in range(256) if 0x40 <= word & 0x7F < 0x7F)
    return noise.translate(bytes(quiet[word % len(quiet)] for word in range(256)))


def converted(samples: Samples, rate: int, audio_format: AudioFormat) -> bytes:
    if rate != audio_format.rate:
        samples = soxr.resample(samples, rate, audio_format.rate)
    return encoded(samples.astype("<i2").tobytes(), audio_format)


def _espeak(program: str, text: str) -> tuple[int, Samples]:
    command = [program, "--stdout", "-v", "en", "-s", "165", text]
    output = subprocess.run(command, check=True, capture_output=True, timeout=20).stdout
    with wave.open(io.BytesIO(output), "rb") as file:
        rate = file.getframerate()
    # espeak can't know the length when it writes the header: what follows it is the audio.
    samples = np.frombuffer(output[44 : len(output) // 2 * 2], "<i2").astype(np.float32)
    peak = max(1.0, float(np.abs(samples).max(initial=0)))
    return rate, (samples * (_SPEECH_PEAK * 32767 / peak)).astype(np.int16)


def _syllables(text: str) -> tuple[int, Samples]:
    """A voice of a kind: one short harmonic tone for each group of vowels, pauses between words."""
    pieces: list[npt.NDArray[np.float64]] = []
    for word in text.split():
        for vowels in re.findall(r"[aeiouy]+", word.lower()) or ["e"]:
            pieces.append(_syllable(110 + 7 * (sum(map(ord, vowels)) % 13)))
        pieces.append(np.zeros(_SYNTHETIC_RATE * (250 if word[-1] in ".?!," else 60) // 1000))
    joined = np.concatenate(pieces) if pieces else np.zeros(0)
    return _SYNTHETIC_RATE, joined.astype(np.int16)


@cache
def _syllable(pitch_hz: int) -> npt.NDArray[np.float64]:
    count = _SYNTHETIC_RATE * 140 // 1000
    time = np.arange(count) / _SYNTHETIC_RATE
    voice = sum((np.sin(2 * np.pi * pitch_hz * n * time) / n for n in range(1, 9)), start=np.zeros(count))
    return np.asarray(6000 * voice * np.hanning(count))
