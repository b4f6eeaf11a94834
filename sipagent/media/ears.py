"""What a caller's speech is judged by before it interrupts the agent: how long it lasts, and whose it is."""

from __future__ import annotations

from collections.abc import Callable

from rtp.activity import Burst
from rtp.echo import EchoGuard
from sipagent.formats import AudioFormat
from sipagent.media.nodes import Write, conversions

PCM_8K = AudioFormat("pcm", 8000)


class Ears:
    """One per call, beside its audio paths."""

    def __init__(self, *, guards_echo: bool) -> None:
        self.burst = Burst()
        self.echo = EchoGuard() if guards_echo else None

    def caller_lane(self, source: AudioFormat) -> Write:
        """Where the caller's audio is written, from now on in format `source`."""

        def hear(pcm: bytes) -> None:
            self.burst.feed(pcm)
            if self.echo is not None:
                self.echo.heard(pcm)

        return _lane(source, hear)

    def agent_lane(self, source: AudioFormat) -> Write:
        """Where everything that goes out is written."""
        return _lane(source, self.echo.sent if self.echo is not None else _unheard)


def _lane(source: AudioFormat, take: Callable[[bytes], None]) -> Write:
    steps = conversions(source, PCM_8K)

    def write(audio: bytes, now: float) -> None:
        for _, step in steps:
            audio = step(audio)
        take(audio)

    return write


def _unheard(pcm: bytes) -> None:
    """Without an echo guard it doesn't matter what goes out."""
