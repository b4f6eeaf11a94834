"""Tones as sums of sines. s16le at 8000 Hz. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

RATE = 8000
RAMP_MS = 5
"""Tones begin and end softly, so that they don't click."""
BEEP_HZ, BEEP_PEAK, BEEP_MS = 1000, 6000, 400


@cache
def beep() -> bytes:
    """After which a caller is to speak."""
    return mix((BEEP_HZ,), (BEEP_PEAK,), BEEP_MS)


def silence(duration_ms: int) -> bytes:
    return b"\0\0" * (duration_ms * RATE // 1000)


def mix(frequencies_hz: Sequence[int], peaks: Sequence[int], duration_ms: int) -> bytes:
    """Sines of these frequencies together, each with its peak, of 32767."""
    at = np.arange(duration_ms * RATE // 1000) / RATE
    wave: npt.NDArray[np.float64] = sum(
        (peak * np.sin(2 * np.pi * hz * at) for hz, peak in zip(frequencies_hz, peaks, strict=True)),
        start=np.zeros(len(at)),
    )
    ramp = np.minimum(1.0, np.minimum(at, at[::-1]) * 1000 / RAMP_MS)
    return (wave * ramp).astype("<i2").tobytes()
