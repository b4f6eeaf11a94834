"""WAV files as a telephone plays them: whatever they hold becomes mono, s16le at 8000 Hz.

Reading blocks: call it from a thread where audio flows. What was read is kept until the file changes.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from rtp import g711
from sipagent.sounds.tones import RATE

MAX_S = 150
"""What is played in one piece must fit into playout."""
MAX_BYTES = 128 * 2**20
KEPT = 64

A_LAW, EXTENSIBLE = 6, 0xFFFE
_CHUNK = Struct("<4sI")
_FORMAT = Struct("<HHIIHH")
_SUBFORMAT_AT = 24

Floats = npt.NDArray[np.float32]


class SoundError(ValueError):
    """The file is no sound that we can play."""


def read(path: Path) -> bytes:
    """The sound of a file. Raises OSError or SoundError."""
    found = path.stat()
    return _read(path, found.st_mtime_ns, found.st_size)


def problem(path: Path) -> str | None:
    """Why a file can't be played now."""
    try:
        read(path)
    except (OSError, SoundError) as error:
        return f"{path} can't be played: {getattr(error, 'strerror', None) or error}"
    return None


def decode(data: bytes) -> bytes:
    """The sound in a WAV file (RIFF): PCM of 8 to 32 bits, float, or G.711, any rate, channels mixed.

    Raises SoundError.
    """
    chunks = _chunks(data)
    if b"fmt " not in chunks or b"data" not in chunks or len(chunks[b"fmt "]) < _FORMAT.size:
        raise SoundError("it lacks the parts that a WAV file has")
    coding, channels, rate, _, _, bits = _FORMAT.unpack_from(chunks[b"fmt "])
    if coding == EXTENSIBLE and len(chunks[b"fmt "]) >= _SUBFORMAT_AT + 2:
        coding = int.from_bytes(chunks[b"fmt "][_SUBFORMAT_AT : _SUBFORMAT_AT + 2], "little")
    if not 1 <= channels <= 8 or not 4000 <= rate <= 192_000:
        raise SoundError(f"{channels} channels at {rate} Hz are not for a telephone")
    samples = _samples(chunks[b"data"], coding, bits)
    mono: Floats = samples[: len(samples) // channels * channels].reshape(-1, channels).mean(1, np.float32)
    if not 0 < len(mono) <= MAX_S * rate:
        raise SoundError(f"it lasts {len(mono) / rate:.0f} s: it must be some sound, of {MAX_S} s at most")
    if rate != RATE:
        mono = soxr.resample(mono, rate, RATE)
    return bytes(np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2").tobytes())


@lru_cache(maxsize=KEPT)
def _read(path: Path, mtime_ns: int, size: int) -> bytes:
    if size > MAX_BYTES:
        raise SoundError(f"it is larger than {MAX_BYTES >> 20} MB")
    return decode(path.read_bytes())


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The first chunk of each name. The last may be shorter than it says: some writers don't go back."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise SoundError("it is not a WAV file")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, at)
        chunks.setdefault(name, data[at + _CHUNK.size : at + _CHUNK.size + size])
        at += _CHUNK.size + size + size % 2
    return chunks


def _samples(data: bytes, coding: int, bits: int) -> Floats:
    """Channels interleaved, full scale 1. Raises SoundError for what we don't know."""
    data = data[: len(data) // max(bits // 8, 1) * max(bits // 8, 1)]
    raw, full_scale = _numbers(data, coding, bits)
    return raw.astype(np.float32) / np.float32(full_scale)


def _numbers(data: bytes, coding: int, bits: int) -> tuple[npt.NDArray[Any], float]:
    match coding, bits:
        case 1, 8:
            return np.frombuffer(data, np.uint8) - np.float32(128), 128
        case 1, 16:
            return np.frombuffer(data, "<i2"), 2**15
        case 1, 24:
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return padded.view("<i4").ravel(), 2**31
        case 1, 32:
            return np.frombuffer(data, "<i4"), 2**31
        case 3, 32:
            return np.frombuffer(data, "<f4"), 1.0
        case 6 | 7, 8:
            pcm = g711.alaw_to_pcm(data) if coding == A_LAW else g711.ulaw_to_pcm(data)
            return np.frombuffer(pcm, "<i2"), 2**15
    raise SoundError(f"audio of format {coding} with {bits} bits can't be read: write 16-bit PCM")
