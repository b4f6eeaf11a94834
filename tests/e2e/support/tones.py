"""Sound files to play."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

RATE = 8000


def wav(path: Path, *, hz: float, ms: int) -> Path:
    """A sine, mono at 8000 Hz."""
    samples = 8000 * np.sin(2 * np.pi * hz * np.arange(ms * RATE // 1000) / RATE)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path
