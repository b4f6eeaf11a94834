"""A call that is recorded, and what is then in its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtp import wav
from sipagent.formats import ULAW, AudioFormat
from sipagent.media.recorder import Recorder, RecordingOutcome, RecordingWriter

START = 100.0
SOON_S = 2


class Call:
    """A recorder and the clock that drives it, a frame of each side every 20 ms."""

    def __init__(
        self,
        path: Path,
        writer: RecordingWriter,
        caller: AudioFormat = ULAW,
        agent: AudioFormat = ULAW,
        goes_on_from: float | None = None,
    ) -> None:
        self.now = START
        self.failures: list[str] = []
        self.recorder = Recorder(
            str(path),
            writer,
            caller,
            agent,
            START,
            on_truncated=self.failures.append,
            goes_on_from=goes_on_from,
        )
        self._caller = self.recorder.lane("caller", caller)
        self._agent = self.recorder.lane("agent", agent)

    def change_law(self, law: AudioFormat) -> None:
        """A re-INVITE changes what the phone sends; the agent's side has no part in it."""
        self._caller = self.recorder.lane("caller", law)

    def hear(self, frame: bytes) -> None:
        """Of the caller, now."""
        self._caller(frame, self.now)

    def flow(self, caller: bytes, agent: bytes, frame_bytes: tuple[int, int] = (160, 160)) -> None:
        for left, right in zip(frames(caller, frame_bytes[0]), frames(agent, frame_bytes[1]), strict=True):
            self.now += 0.02
            self._caller(left, self.now)
            self._agent(right, self.now)
            self.recorder.advance(self.now)

    def hang_up(self) -> RecordingOutcome:
        return self.recorder.finish(self.now).result(SOON_S)


def frames(audio: bytes, size: int) -> list[bytes]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def noise(seconds: float, seed: int) -> bytes:
    """Every byte of a law, in no order: audio that no mistake leaves as it was."""
    return np.random.default_rng(seed).integers(0, 256, round(seconds * 8000), np.uint8).tobytes()


def sides(path: Path) -> tuple[bytes, bytes]:
    """Left and right of a recording whose header is right."""
    data = path.read_bytes()
    said = wav.parse_header(data)
    assert (said.channels, said.rate, said.data_bytes) == (2, 8000, len(data) - wav.HEADER_BYTES)
    stereo = np.frombuffer(data[wav.HEADER_BYTES :], "<i2").reshape(-1, 2)
    return stereo[:, 0].tobytes(), stereo[:, 1].tobytes()
