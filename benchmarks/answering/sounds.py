"""The sounds of made-up calls: voices, noise, tones, music, and what a line does to them. 8000 Hz."""

from __future__ import annotations

import subprocess
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr

from rtp import g711
from rtp.plc import Concealer
from rtp.wav import HEADER_BYTES

RATE = 8000
FRAME = 160

Wave = npt.NDArray[np.float64]


@lru_cache(maxsize=4096)
def spoken(text: str, voice: str, speed: int, pitch: int) -> Wave:
    """A voice of espeak-ng, without the silence around it; its peak is 1."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    rate = int.from_bytes(wav[24:28], "little")
    wave = np.frombuffer(wav[HEADER_BYTES : len(wav) // 2 * 2], "<i2").astype(np.float64)
    narrow = soxr.resample(wave, rate, RATE)
    loud = np.flatnonzero(np.abs(narrow) > 0.01 * np.abs(narrow).max())
    narrow = narrow[loud[0] : loud[-1] + 1]
    return np.asarray(narrow / np.abs(narrow).max())


def silence(ms: float) -> Wave:
    return np.zeros(int(ms * RATE / 1000))


def tones(hertz: tuple[float, ...], ms: float) -> Wave:
    """Sines together, with soft edges; the peak is 1 at most."""
    at = np.arange(int(ms * RATE / 1000)) / RATE
    edge = np.minimum(1.0, np.minimum(at, at[::-1]) * 200)
    return np.asarray(sum(np.sin(2 * np.pi * hz * at) for hz in hertz) * edge / len(hertz))


def music(ms: float, random: np.random.Generator) -> Wave:
    """Chords of plucked strings, four a second."""
    wave = silence(ms)
    beat = RATE // 4
    for start in range(0, len(wave), beat):
        root = 110 * 2 ** (random.integers(0, 24) / 12)
        at = np.arange(min(2 * beat, len(wave) - start)) / RATE
        for step in (0, 4, 7):
            hz = root * 2 ** (step / 12)
            for overtone in range(1, 6):
                wave[start : start + len(at)] += (
                    np.sin(2 * np.pi * hz * overtone * at) * np.exp(-3 * at) / overtone
                )
    return np.asarray(wave / max(1e-9, np.abs(wave).max()))


def noise(kind: str, size: int, random: np.random.Generator, babble: tuple[str, ...] = ()) -> Wave:
    """White, hum of the mains, or several voices at once; its root mean square is 1."""
    if kind == "hum":
        at = np.arange(size) / RATE
        wave = sum(np.sin(2 * np.pi * 50 * n * at + n) / n for n in range(1, 9)) + 0.2 * random.normal(
            size=size
        )
    elif kind == "babble":
        wave = np.zeros(size)
        for text in babble:
            voice = spoken(text, "en-us+m2", 170, 50)
            repeated = np.resize(voice, size + len(voice))
            shift = int(random.integers(0, len(voice)))
            wave += repeated[shift : shift + size]
    else:
        wave = random.normal(size=size)
    return np.asarray(wave / np.sqrt(np.mean(wave * wave)))


def through_line(wave: Wave, law: str, loss: float, random: np.random.Generator) -> bytes:
    """s16le as it is heard: after G.711, and loss of packets that is concealed."""
    size = len(wave) // FRAME * FRAME
    pcm = np.clip(wave[:size] * 32767, -32768, 32767).astype("<i2").tobytes()
    to_law, to_pcm = (
        (g711.pcm_to_ulaw, g711.ulaw_to_pcm) if law == "ulaw" else (g711.pcm_to_alaw, g711.alaw_to_pcm)
    )
    heard = to_pcm(to_law(pcm))
    return _concealed(heard, loss, random) if loss else heard


def _concealed(pcm: bytes, loss: float, random: np.random.Generator) -> bytes:
    """Audio of which frames are lost, as the server's concealment makes it up."""
    concealer, heard = Concealer(), bytearray()
    for at in range(0, len(pcm), 2 * FRAME):
        if random.random() < loss:
            heard += concealer.conceal(FRAME, pcm[at + 2 * FRAME :])
        else:
            concealer.good(pcm[at : at + 2 * FRAME])
            heard += pcm[at : at + 2 * FRAME]
    return bytes(heard)
