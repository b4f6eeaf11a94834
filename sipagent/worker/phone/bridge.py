"""Two phones that talk to each other through their legs: each hears the other instead of its agent.

Each leg's tick draws a frame from the other's jitter buffer, so audio goes at the pace of the clock of who
hears it (`rtp.playclock`). Law bytes pass untouched where both phones speak the same.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from sipagent.formats import AudioFormat
from sipagent.media import pipeline, tones
from sipagent.worker.ticker import FRAME_MS


class Source(Protocol):
    """What a phone hears instead of its agent."""

    @property
    def format(self) -> AudioFormat: ...

    def frame(self, now: float) -> bytes:
        """The next frame, of 20 ms: to be called on every tick of who hears it."""


class End(Protocol):
    """A leg, as a bridge has it."""

    @property
    def voice(self) -> Source | None:
        """What its phone says."""

    def hear(self, voice: Source | None, bridge: Bridge | None) -> None:
        """Its phone hears this voice, in this bridge, and is drawn from. None of both is the end of it."""

    def send_digits(self, digits: str, inband: bool) -> None: ...


class Ringing:
    """What a caller hears while somebody is called: a ringing tone, over and over."""

    format = pipeline.PCM_8K

    def __init__(self) -> None:
        period, size = tones.ringing(), FRAME_MS * self.format.bytes_per_ms
        self._frames = deque(period[at : at + size] for at in range(0, len(period), size))
        self._frames.rotate(1)

    def frame(self, now: float) -> bytes:
        self._frames.rotate(-1)
        return self._frames[0]


class Bridge:
    """Joins two legs from construction until either ends, or somebody parts them."""

    def __init__(self, caller: End, human: End) -> None:
        self._ends = (caller, human)
        caller.hear(human.voice, self)
        human.hear(caller.voice, self)

    def pass_digit(self, pressed_on: End, digit: str) -> None:
        """A key pressed at one end is pressed at the other."""
        for end in self._ends:
            if end is not pressed_on:
                end.send_digits(digit, inband=False)

    def end(self) -> None:
        """Neither phone hears the other any more."""
        for end in self._ends:
            end.hear(None, None)
