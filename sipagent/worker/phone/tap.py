"""Both sides of a call for somebody who listens in: a frame of each on every tick. Pure."""

from __future__ import annotations

from collections.abc import Callable

from sipagent.formats import AudioFormat

FRAME_MS = 20
#: Caller audio comes in bursts: so much of it may wait for its tick, then the oldest goes.
MOST_AHEAD_MS = 400


class Tap:
    """`tell` gets 20 ms of the caller and 20 ms of what the caller is sent, in the phone's law."""

    def __init__(self, tell: Callable[[AudioFormat, bytes, bytes], None]) -> None:
        self._tell = tell
        self._caller, self._agent = bytearray(), bytearray()
        self.is_on = False

    def switch(self, on: bool) -> None:
        self.is_on = on
        self._caller.clear()
        self._agent.clear()

    def caller_lane(self, audio: bytes, now: float) -> None:
        self._caller += audio

    def agent_lane(self, audio: bytes, now: float) -> None:
        self._agent += audio

    def tick(self, law: AudioFormat) -> None:
        """A frame of each side, filled up with silence."""
        if self.is_on:
            self._tell(law, _taken(self._caller, law), _taken(self._agent, law))


def _taken(lane: bytearray, law: AudioFormat) -> bytes:
    size, most = FRAME_MS * law.bytes_per_ms, MOST_AHEAD_MS * law.bytes_per_ms
    if len(lane) > most:
        del lane[: len(lane) - most]
    frame = bytes(lane[:size])
    del lane[:size]
    return frame + law.silence * (size - len(frame))
