"""Is somebody speaking: by the energy of what is heard, above the noise of the line.

Rough, and instant: to be asked beside a real voice activity detector, which tells later. s16le at 8000 Hz.
"""

from collections.abc import Iterator

import numpy as np

FRAME_MS = 20
_FRAME_BYTES = 2 * 8 * FRAME_MS
ABOVE_NOISE = 3.0
"""Speech is this much above the noise, in RMS."""
LEAST_RMS = 150.0
"""What is quieter is never speech: -47 dB of full scale."""
FIRST_NOISE_RMS = 50.0
NOISE_RISE = 1.01
"""How fast the estimate of the noise follows what is louder, per frame; it falls at once."""
PAUSE_MS = 300
"""Speech that pauses for longer has ended."""


class SpeechDetector:
    """Takes audio in pieces of any length, judges frames of 20 ms."""

    def __init__(self) -> None:
        self._pending = b""
        self._noise = FIRST_NOISE_RMS

    def feed(self, pcm: bytes) -> Iterator[bool]:
        """Whether each frame that is complete now is speech."""
        self._pending += pcm
        while len(self._pending) >= _FRAME_BYTES:
            frame, self._pending = self._pending[:_FRAME_BYTES], self._pending[_FRAME_BYTES:]
            yield self._is_speech(rms(frame))

    def _is_speech(self, level: float) -> bool:
        self._noise = max(min(level, self._noise * NOISE_RISE), 1.0)
        return level >= max(LEAST_RMS, ABOVE_NOISE * self._noise)


class Burst:
    """How long somebody has been speaking, pauses between words left out."""

    def __init__(self) -> None:
        self.speech_ms = 0
        """Of the burst of speech that is going on, or was the last."""
        self.quiet_ms = PAUSE_MS
        """Since then."""
        self._detector = SpeechDetector()

    @property
    def is_over(self) -> bool:
        return self.quiet_ms >= PAUSE_MS

    def feed(self, pcm: bytes) -> None:
        for is_speech in self._detector.feed(pcm):
            if not is_speech:
                self.quiet_ms += FRAME_MS
            else:
                self.speech_ms = FRAME_MS if self.is_over else self.speech_ms + FRAME_MS
                self.quiet_ms = 0


def rms(pcm: bytes) -> float:
    """Root mean square of s16le."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples * samples)))
