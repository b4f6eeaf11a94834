"""When a caller who leaves a message is through with it, by the energy of what is heard. Pure.

Time is the caller's audio itself: it flows by the clock, also on hold and through loss.
"""

from __future__ import annotations

from rtp.activity import FRAME_MS, SpeechDetector

#: So much speech makes a message; less may be a click.
LEAST_SPEECH_MS = 200


class Message:
    """Hears s16le at 8000 Hz from the beep on."""

    def __init__(self, max_ms: int, silence_ms: int) -> None:
        self._max_ms = max_ms
        self._silence_ms = silence_ms
        self._detector = SpeechDetector()
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
        for is_speech in self._detector.feed(audio):
            if self.is_over:
                return
            self._length_ms += FRAME_MS
            if is_speech:
                self._speech_ms += FRAME_MS
                self._spoken_until_ms = self._length_ms
