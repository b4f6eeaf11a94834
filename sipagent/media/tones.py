"""Tones of our own: a telephone's keys (ITU-T Q.23), a sign of life on hold. s16le at 8000 Hz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RATE = 8000
ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = "123A456B789C*0#D"
KEY_PEAKS = (5200, 6550)
"""Low and high tone: about -13 and -11 dBm0, the 2 dB between them made for the losses of long lines."""
HOLD_HZ, HOLD_PEAK, HOLD_MS = 425, 2000, 200
HOLD_EVERY_MS = 5000
RAMP_MS = 5
"""Tones begin and end softly, so that they don't click."""


def key(digit: str, duration_ms: int) -> bytes:
    """The two tones of a key: 0-9, *, #, A-D."""
    row, column = divmod(KEYPAD.index(digit.upper()), len(COLUMNS_HZ))
    return _tones((ROWS_HZ[row], COLUMNS_HZ[column]), KEY_PEAKS, duration_ms)


def hold() -> bytes:
    """One period of the hold tone: a low beep, then silence."""
    return _tones((HOLD_HZ,), (HOLD_PEAK,), HOLD_MS) + b"\0\0" * ((HOLD_EVERY_MS - HOLD_MS) * RATE // 1000)


def _tones(frequencies_hz: Sequence[int], peaks: Sequence[int], duration_ms: int) -> bytes:
    at = np.arange(duration_ms * RATE // 1000) / RATE
    wave: npt.NDArray[np.float64] = sum(
        (peak * np.sin(2 * np.pi * hz * at) for hz, peak in zip(frequencies_hz, peaks, strict=True)),
        start=np.zeros(len(at)),
    )
    ramp = np.minimum(1.0, np.minimum(at, at[::-1]) * 1000 / RAMP_MS)
    return (wave * ramp).astype("<i2").tobytes()
