"""How much audio is missing before a packet: one stream's timeline, from timestamps, losses and the clock."""

from enum import Enum
from typing import NamedTuple

from rtp.seq import timestamp_delta

MAX_LOSS_S = 1.0
"""The longest hole that lost packets alone can make; beyond it, time must have passed as well."""
FILL_STEP_S = 0.02


class HoleKind(Enum):
    """Why a stretch of the timeline has no audio."""

    LOST = "lost"
    """Packets are missing: to be concealed."""
    SILENT = "silent"
    """The sender sent nothing (DTX, hold, an outage): to be filled with silence."""


class Hole(NamedTuple):
    """A stretch of the timeline without audio."""

    samples: int
    kind: HoleKind


class Timeline:
    """Where the stream's audio has got to. Times are monotonic seconds, lengths samples."""

    __slots__ = (
        "_audio_at",
        "_clock_hz",
        "_expected",
        "_filled",
        "_frame",
        "_lost",
        "_slack_s",
        "due_at",
        "jumps",
        "stretched",
    )

    def __init__(self, clock_hz: int, slack_s: float) -> None:
        self._clock_hz = clock_hz
        self._slack_s = slack_s
        self._expected: int | None = None
        self._frame = 0
        self._filled = 0
        self._lost = 0
        self._audio_at = 0.0
        self.due_at = float("inf")
        """When the next audio is due, if any was handed out."""
        self.jumps = 0
        """Timestamps that neither losses nor the clock explain."""
        self.stretched = 0
        """Samples handed out as silence although their audio came later after all."""

    @property
    def started(self) -> bool:
        """Whether any audio was handed out."""
        return self._frame > 0

    @property
    def newest(self) -> tuple[float, int]:
        """When the last audio that was handed out had arrived, and how much it was."""
        return self._audio_at, self._frame

    def rebase(self) -> None:
        """Take the next packet's timestamp as it is (a new SSRC or numbering)."""
        self._expected = None

    def lose(self, packets: int) -> None:
        """That many packets are missing before the next one."""
        self._lost += packets

    def hole_before(self, timestamp: int, arrived_at: float) -> Hole | None:
        """What is missing before a packet: the length of its lost predecessors and what the clock allows."""
        if self._expected is None or (timestamp == self._expected and not self._filled):
            self._lost = 0
            return None
        kind = HoleKind.LOST if self._lost else HoleKind.SILENT
        gap = self._plausible_gap(timestamp_delta(timestamp, self._expected), arrived_at)
        self.stretched += max(self._filled - gap, 0)
        missing = gap - self._filled
        self._filled = self._lost = 0
        self._expected = timestamp
        return Hole(missing, kind) if missing > 0 else None

    def go_on(self, timestamp: int, samples: int, now: float) -> bool:
        """Hand out a packet that begins just where the last one ended, nothing lost or filled between.

        False, and nothing done, for any other: that is for hole_before() and advance().
        """
        if timestamp != self._expected or self._filled or self._lost:
            return False
        self._expected = (timestamp + samples) & 0xFFFFFFFF
        self._frame = samples
        self._audio_at = now
        self.due_at = now + samples / self._clock_hz
        return True

    def advance(self, timestamp: int, samples: int, arrived_at: float, now: float) -> None:
        """A packet's audio has been handed out."""
        self._expected = (timestamp + samples) & 0xFFFFFFFF
        self._frame = samples
        self._filled = 0
        self._audio_at = arrived_at
        self.due_at = now + samples / self._clock_hz

    def fill_at(self, stall_s: float) -> float:
        """When silence takes the place of audio that was due: after the stall time, then in steps."""
        return self.due_at + (FILL_STEP_S if self._filled else stall_s)

    def fill(self, now: float) -> Hole | None:
        """Silence that brings the timeline up to the clock, in whole steps, at most MAX_LOSS_S at once.

        So audio that comes after it begins where a frame would.
        """
        behind_s = now - self.due_at
        steps = int(min(behind_s, MAX_LOSS_S) / FILL_STEP_S + 1e-6)
        samples = round(steps * FILL_STEP_S * self._clock_hz)
        self._filled += samples
        self.due_at = now if behind_s > MAX_LOSS_S else self.due_at + samples / self._clock_hz
        return Hole(samples, HoleKind.SILENT) if samples else None

    def _plausible_gap(self, delta: int, arrived_at: float) -> int:
        by_loss = min(self._lost * self._frame, int(MAX_LOSS_S * self._clock_hz))
        passed_s = max(arrived_at - self._audio_at, 0.0) + self._slack_s
        if 0 <= delta <= by_loss + int(passed_s * self._clock_hz):
            return delta
        self.jumps += 1
        return by_loss
