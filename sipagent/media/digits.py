"""Digits in the caller's audio: those that count, and those that a recording must not hold."""

from __future__ import annotations

from collections.abc import Callable

from rtp.inband import InbandDigits
from sipagent.formats import AudioFormat
from sipagent.media.nodes import Write, decoder

OnPress = Callable[[str, int, float], None]


class DigitDetector:
    """One per call. If presses count, `on_press(digit, duration_ms, now)` is called when one is over."""

    def __init__(self, on_press: OnPress) -> None:
        self.counts = False
        self._digits = InbandDigits()
        self._on_press = on_press

    @property
    def hears_digit(self) -> bool:
        """Whether a key is down."""
        return self._digits.hears_digit

    def lane(self, source: AudioFormat) -> Write:
        """Where the caller's law bytes are written, from now on in format `source`."""
        decode = decoder(source)

        def listen(audio: bytes, now: float) -> None:
            for press in self._digits.feed(decode(audio)):
                if self.counts:
                    self._on_press(press.digit, press.duration_ms, now)

        return listen
