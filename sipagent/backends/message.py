"""When a caller who leaves a message is through with it, by the energy of what is heard. Pure.

Time is the caller's audio itself: it flows by the clock, also on hold and through loss.
"""

from __future__ import annotations

import numpy as np

RATE = 8000
FRAME_MS = 20
_FRAME_BYTES = 2 * RATE * FRAME_MS // 1000
#: Speech is this much above the noise of the line, in RMS of s16, and never quieter than that.
ABOVE_NOISE = 3.0
LEAST_RMS = 150.0
#: How fast the estimate of the noise follows what is louder, per frame; it falls at once.
NOISE_RISE = 1.01
FIRST_NOISE_RMS = 50.0
#: So much speech makes a message; less may be a click.
LEAST_SPEECH_MS = 200


class Message:
    """Hears s16le at 8000 Hz from the beep on."""

    def __init__(self, max_ms: int, silence_ms: int) -> None:
        self._max_ms = max_ms
        self._silence_ms = silence_ms
        self._pending = b""
        self._noise = FIRST_NOISE_RMS
        self._length_ms = 0
        self._speech_ms = 0
        self._spoken_until_ms = 0

    @property
    def spoken_ms(self) -> int:
        """From the beep to the last speech; 0 if nobody spoke."""
        return self._spoken_until_ms if self._speech_ms >= LEAST_SPEECH_MS else 0

    @property
    def is_over(self) -> bool:
        """It has been quiet, or has lasted, for long enough."""
        return self._length_ms - self._spoken_until_ms >= self._silence_ms or self._length_ms >= self._max_ms

    def hear(self, audio: bytes) -> None:
        self._pending += audio
        while len(self._pending) >= _FRAME_BYTES and not self.is_over:
            frame, self._pending = self._pending[:_FRAME_BYTES], self._pending[_FRAME_BYTES:]
            self._hear_frame(rms(frame))

    def _hear_frame(self, level: float) -> None:
        self._length_ms += FRAME_MS
        self._noise = min(level, self._noise * NOISE_RISE) or 1.0
        if level >= max(LEAST_RMS, ABOVE_NOISE * self._noise):
            self._speech_ms += FRAME_MS
            self._spoken_until_ms = self._length_ms


def rms(pcm: bytes) -> float:
    """Root mean square of s16le."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples * samples)))
