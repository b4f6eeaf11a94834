"""Known signals and what to look for in audio."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sipagent.formats import CODECS, AudioFormat
from sipagent.media.nodes import decoder
from sipagent.simulator import voice
from sipagent.simulator.laws import encoded

RATE = 8000
Samples = npt.NDArray[np.int16]


def signal(number: int, ms: int, law: AudioFormat) -> bytes:
    """Pseudo-random law bytes, another signal for each number, none of its frames silent."""
    return voice.pattern(number, ms, law)


def tone(hz: float, ms: int, audio_format: AudioFormat) -> bytes:
    """A sine at 8000 Hz, too quiet for the VAD of a session with threshold 1."""
    wave_form = 2048 * np.sin(2 * np.pi * hz * np.arange(ms * RATE // 1000) / RATE)
    return encoded(wave_form.astype("<i2").tobytes(), audio_format)


def samples(audio: bytes, codec: str) -> Samples:
    """Law bytes as 16-bit samples."""
    return np.frombuffer(decoder(CODECS[codec])(audio), "<i2")


def received(audio: bytes | bytearray, name: str) -> Samples:
    """What a backend received in one of the formats of `backend.audio`."""
    return np.frombuffer(audio, "<i2") if name == "pcm24" else samples(bytes(audio), name.upper())


def recorded(path: str | Path) -> tuple[Samples, Samples]:
    """Caller and agent of a recording; fails unless it is a whole stereo WAV file of 16 bits at 8000 Hz."""
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (2, 2, RATE)
        data = file.readframes(file.getnframes())
        assert len(data) == 4 * file.getnframes() > 0
    both = np.frombuffer(data, "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def mono(path: Path) -> Samples:
    """A peer's recording."""
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def write_wav(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, len(samples), "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def holds(whole: Samples, part: Samples) -> bool:
    """Is `part` there in one piece, sample by sample?"""
    return part.astype("<i2").tobytes() in whole.astype("<i2").tobytes()


def plays(whole: Samples, part: Samples, frame: int = 160) -> bool:
    """Is every frame of `part` there, in order? There may be silence between them: an echo pauses where it
    waits for its next packet, and only there."""
    there = whole.astype("<i2").tobytes()
    end = start = there.find(part[:frame].astype("<i2").tobytes())
    for at in range(0, len(part), frame):
        wanted = part[at : at + frame].astype("<i2").tobytes()
        found = there.find(wanted, end)
        if found < 0 or any(there[end:found]):
            return False
        end = found + len(wanted)
    return start >= 0


def share_of_frames(whole: Samples, part: Samples, frame: int = 160) -> float:
    """How much of `part` is in `whole`, counted in frames of 20 ms."""
    there = whole.astype("<i2").tobytes()
    frames = [part[at : at + frame].astype("<i2").tobytes() for at in range(0, len(part), frame)]
    return sum(each in there for each in frames) / len(frames)


def from_first_sound(audio: Samples) -> Samples:
    """Without the silence at its beginning."""
    return audio[np.flatnonzero(audio)[0] :]


def pitch_hz(audio: Samples, rate: int = RATE) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum) * rate / len(audio))


def level_db(audio: Samples) -> float:
    """RMS relative to full scale."""
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(audio.astype(np.float64)))) / 32768 + 1e-9))
