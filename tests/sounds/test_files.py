"""Any WAV file becomes what a telephone plays, or says why not."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from rtp import g711
from sipagent.sounds import files
from sipagent.sounds.files import SoundError

SECOND = np.arange(8000) / 8000
TONE = 0.25 * np.sin(2 * np.pi * 440 * SECOND)


def wav(coding: int, channels: int, rate: int, bits: int, data: bytes, extra: bytes = b"") -> bytes:
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHH", coding, channels, rate, rate * frame, frame, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def pcm16(wave: np.ndarray) -> bytes:
    return (wave * 32767).astype("<i2").tobytes()


def pcm24(wave: np.ndarray) -> bytes:
    return b"".join(int(v * (2**23 - 1)).to_bytes(3, "little", signed=True) for v in wave)


EXTENSIBLE = (
    struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
)
READABLE = {
    "16 bits": wav(1, 1, 8000, 16, pcm16(TONE)),
    "24 bits": wav(1, 1, 8000, 24, pcm24(TONE)),
    "32 bits": wav(1, 1, 8000, 32, (TONE * (2**31 - 1)).astype("<i4").tobytes()),
    "8 bits": wav(1, 1, 8000, 8, (TONE * 127 + 128).astype(np.uint8).tobytes()),
    "float": wav(3, 1, 8000, 32, TONE.astype("<f4").tobytes()),
    "mu-law": wav(7, 1, 8000, 8, g711.pcm_to_ulaw(pcm16(TONE))),
    "A-law": wav(6, 1, 8000, 8, g711.pcm_to_alaw(pcm16(TONE))),
    "stereo": wav(1, 2, 8000, 16, pcm16(np.repeat(TONE, 2))),
    "extensible": wav(0xFFFE, 1, 8000, 16, pcm16(TONE), EXTENSIBLE),
    "44.1 kHz": wav(1, 1, 44100, 16, pcm16(0.25 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100))),
}


@pytest.mark.parametrize("data", READABLE.values(), ids=READABLE)
def test_every_format_gives_the_same_sound(data: bytes) -> None:
    sound = np.frombuffer(files.decode(data), "<i2") / 32767
    assert len(sound) == 8000
    assert np.abs(sound - TONE)[100:-100].max() < 0.02


UNREADABLE = {
    "no WAV file": b"ID3\4 this is an MP3 file, is it not?",
    "no data": wav(1, 1, 8000, 16, b""),
    "too long": wav(1, 1, 8000, 16, bytes(2 * 8000 * (files.MAX_S + 1))),
    "ADPCM": wav(2, 1, 8000, 4, b"\0" * 100),
    "nine channels": wav(1, 9, 8000, 16, bytes(18 * 100)),
    "cut short": wav(1, 1, 8000, 16, b"ab")[:30],
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_sound_is_an_error(data: bytes) -> None:
    with pytest.raises(SoundError):
        files.decode(data)


def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(READABLE["16 bits"])
    assert len(files.read(file)) == 16000
    file.write_bytes(wav(1, 1, 8000, 16, pcm16(TONE[:4000])))
    os.utime(file, ns=(1, 1))
    assert len(files.read(file)) == 8000


def test_a_problem_names_the_file(tmp_path: Path) -> None:
    missing = tmp_path / "missing.wav"
    assert files.problem(missing) == f"{missing} can't be played: No such file or directory"
