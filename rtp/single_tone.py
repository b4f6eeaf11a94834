"""Single tones in the audio: how pure a sine is a frame, and how long does it stand. Samples of 16 bits at
8000 Hz, as float32.

Of a sine, each sample is the mean of its neighbours divided by the cosine of its angle: x[n-1] + x[n+1] =
2 cos(w) x[n]. The line through the points (x[n], x[n-1] + x[n+1]) tells the frequency; both have noise, so it
is one of total least squares. How much of the frame that sine is, which tells it from two tones at once, as
of a telephone's key, is then asked of the samples themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 8000
FRAME_MS = 20
FRAME = RATE * FRAME_MS // 1000
FULL_SCALE = 32768.0**2 / 2
"""The power of a sine of full scale: 0 dBFS."""
LEAST_DB = -100.0
PLAUSIBLE, MIN_PURITY = 0.6, 0.8
"""How well a line must fit to look closer at all, and the share of the sine in the power of a frame."""
LOW_HZ, HIGH_HZ = 350.0, 2500.0
GRID_HZ = 5.0
DRIFT = 0.02
"""By how much of its frequency a tone may wander from frame to frame, or 12 Hz."""
DRIFT_HZ = 12.0
SWING_DB = 4.0
"""By how much its level may."""
MAX_MISSES = 2
"""Frames in which a tone may be disturbed, by a lost packet for instance, and go on."""
MIN_FRAMES = 2

Floats = npt.NDArray[np.float32]
_SQRT_2 = math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms: its level relative to a sine of full scale, and the sine that it is, of frequency 0 if none."""

    level_db: float
    hz: float = 0.0


SILENCE = Frame(LEAST_DB)


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone, by the frames from `start` to, not including, `end`."""

    hz: float
    start: int
    end: int

    @property
    def duration_ms(self) -> int:
        return (self.end - self.start) * FRAME_MS

    def is_at(self, hz: float, tolerance: float = 0.02) -> bool:
        return abs(self.hz - hz) <= tolerance * hz


def measure(samples: Floats) -> Frame:
    """What a frame of 160 samples is. Takes some 6 us."""
    power = float(samples.dot(samples)) / len(samples)
    if power < 1.0:
        return SILENCE
    hz = _frequency(samples)
    if hz and _share(samples, hz) < MIN_PURITY * power:
        hz = 0.0
    return Frame(10 * math.log10(power / FULL_SCALE), hz)


def _frequency(samples: Floats) -> float:
    """That of the sine which the frame is, nearly; 0 if it is none."""
    middle = samples[1:-1]
    sides = samples[:-2] + samples[2:]
    across = float(middle.dot(middle))
    along = float(sides.dot(sides)) / 2
    both = float(middle.dot(sides)) / _SQRT_2
    spread = math.hypot(along - across, 2 * both)
    noise = (along + across - spread) / 2
    if both == 0.0 or noise > (1 - PLAUSIBLE) * across:
        return 0.0
    cosine = (along - across + spread) / (2 * both) / _SQRT_2
    hz = math.acos(max(-1.0, min(1.0, cosine))) * RATE / (2 * math.pi)
    return hz if LOW_HZ <= hz <= HIGH_HZ else 0.0


def _share(samples: Floats, hz: float) -> float:
    """The power of the sine of a frequency, in the mean over the frame."""
    cosine, sine = (_PROBES[round((hz - LOW_HZ) / GRID_HZ)] @ samples).tolist()
    return float(cosine * cosine + sine * sine) / len(samples)


def _probes() -> Floats:
    """Rows that tell a frame's cosine and sine parts; their squares add up to its energy."""
    hertz = np.arange(LOW_HZ, HIGH_HZ + GRID_HZ, GRID_HZ)
    angles = 2 * np.pi * hertz[:, None] * np.arange(FRAME) / RATE
    return np.asarray(np.stack((np.cos(angles), np.sin(angles)), axis=1) * np.sqrt(2 / FRAME), np.float32)


_PROBES = _probes()


class ToneTracker:
    """Puts the sines of frames in a row together to tones."""

    def __init__(self) -> None:
        self._count = 0
        self._start = 0
        self._hz = self._level_db = 0.0
        self._hits = self._misses = 0

    def feed(self, frame: Frame) -> Tone | None:
        """Take the next frame; a tone that is over with it."""
        over: Tone | None = None
        if self._goes_on(frame):
            self._hits += 1
            self._misses = 0
            self._hz += (frame.hz - self._hz) / self._hits
            self._level_db = frame.level_db
        elif self._hits:
            self._misses += 1
            if self._misses > MAX_MISSES or self._hits < MIN_FRAMES:
                over = self._taken(self._count - self._misses + 1)
                self._begin(frame)
        else:
            self._begin(frame)
        self._count += 1
        return over

    @property
    def current(self) -> Tone | None:
        """The tone that stands, as far as it has come."""
        if self._hits < MIN_FRAMES:
            return None
        return Tone(self._hz, self._start, self._count - self._misses)

    def _goes_on(self, frame: Frame) -> bool:
        near = abs(frame.hz - self._hz) <= max(DRIFT_HZ, DRIFT * self._hz)
        return self._hits > 0 and near and abs(frame.level_db - self._level_db) <= SWING_DB

    def _begin(self, frame: Frame) -> None:
        self._hits = self._misses = 0
        if frame.hz:
            self._start, self._hz, self._level_db, self._hits = self._count, frame.hz, frame.level_db, 1

    def _taken(self, end: int) -> Tone | None:
        return Tone(self._hz, self._start, end) if self._hits >= MIN_FRAMES else None
