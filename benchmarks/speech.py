"""The speech that audio quality is measured with: two voices of espeak-ng read ten Harvard sentences."""

import subprocess
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr

from rtp.wav import HEADER_BYTES

RATE = 8000
FRAME = 160
"""Samples in a packet of 20 ms."""
PEAK = 16000
VOICES = ("en-us", "en-gb+f3")
SENTENCES = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls. The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us. A large size in stockings is hard to sell.",
)

Pcm = npt.NDArray[np.int16]


@lru_cache(maxsize=len(VOICES))
def speech(voice: str) -> Pcm:
    """About 24 s of a voice at 8 kHz, in whole frames."""
    command = ["espeak-ng", "-v", voice, "--stdout", " ".join(SENTENCES)]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    rate = int.from_bytes(wav[24:28], "little")
    spoken = np.frombuffer(wav[HEADER_BYTES:], "<i2").astype(np.float32)
    narrow = soxr.resample(spoken, rate, RATE, quality="VHQ")
    narrow = narrow[: len(narrow) // FRAME * FRAME]
    return np.asarray(narrow * (PEAK / np.abs(narrow).max()), np.int16)
