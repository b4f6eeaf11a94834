"""What is measured: by the callers' media, SIPp and the reference call, and of processes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from benchmarks.load.track import FRAME

SILENCE = b"\xff"
#: As in rtp_peers.c: the last bucket is for what is above the last bound.
LATE_BOUNDS_MS = (0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 100, 200)


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """What a second brought; `at` is CLOCK_MONOTONIC, and `streams` how many calls had audio at its end.

    `late` is the peers' lateness against their own timestamps, `own_late` that of this process's waking.
    `dropped` came while its own buffers were full. `sounding` of the packets were not silence.
    """

    at: float
    streams: int
    begun: int
    ended: int
    sent: int
    unsent: int
    received: int
    sounding: int
    lost: int
    disordered: int
    dropped: int
    late_max_ms: float
    own_late_max_ms: float
    late: list[int]
    own_late: list[int]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a SIPp said last."""

    current: int = 0
    successful: int = 0
    failed: int = 0
    retransmissions: int = 0
    by_cause: dict[str, int] = {}

    @classmethod
    def of(cls, row: Mapping[str, str]) -> Counts:
        causes = {
            name.removeprefix("Failed").removesuffix("(C)"): int(value)
            for name, value in row.items()
            if name.startswith("Failed") and name.endswith("(C)") and name != "FailedCall(C)" and int(value)
        }
        return cls(
            current=int(row["CurrentCall"]),
            successful=int(row["SuccessfulCall(C)"]),
            failed=int(row["FailedCall(C)"]),
            retransmissions=int(row["Retransmissions(C)"]),
            by_cause=causes,
        )


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look. `cpu` is in cores by party, as is `stolen` by the host, `rss` in bytes; `late_p99_ms` is on
    the wire, as peers saw it; `work_ms` is what the same work takes of CPU time (see `pace`).

    `fds` are the server's, without those of RTP ports, which it keeps for ever once it has bound them.
    """

    at_s: float
    phase: str
    calls: int
    streams: int
    cpu: dict[str, float]
    machine_busy: float
    stolen: float
    work_ms: float
    rss: dict[str, int]
    fds: int
    threads: int
    sent: int
    received: int
    lost: int
    late_p99_ms: float
    late_max_ms: float
    own_late_p99_ms: float
    setup_p95_ms: float
    setup_max_ms: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Frames of 20 ms of one direction: how many were compared, altered, and silent where speech was due."""

    frames: int
    altered: int
    holes: int

    @property
    def is_intact(self) -> bool:
        return self.frames > 0 and self.altered == 0 and self.holes == 0


class ReferenceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """`to_model` is what the model got of the caller, `to_caller` what the caller got of the agent, and
    `is_recorded` whether the recording holds all that the caller said. `caller_late_ms` is how late the
    caller itself sent, at worst: nobody can hear in time what wasn't said in time.
    """

    to_model: Comparison
    to_caller: Comparison
    is_recorded: bool
    ended_early: bool
    caller_late_ms: float

    @property
    def is_intact(self) -> bool:
        return self.is_heard and self.to_model.is_intact and self.is_recorded

    @property
    def is_heard(self) -> bool:
        """By the caller, to the end."""
        return self.to_caller.is_intact and not self.ended_early


def lateness_ms(sent_at: Sequence[float], frame_s: float) -> float:
    """Of the frame that was sent the latest, against a schedule that begins with the first."""
    return 1000 * max((at - sent_at[0] - n * frame_s for n, at in enumerate(sent_at)), default=0.0)


def compared(said: bytes, heard: bytes) -> Comparison:
    """Frame by frame: each that was heard is the next that was said, or silence that nobody said."""
    frames = altered = holes = place = 0
    wanted = [said[at : at + FRAME] for at in range(0, len(said), FRAME)]
    for at in range(0, len(heard) - FRAME + 1, FRAME):
        got = heard[at : at + FRAME]
        if place == len(wanted):
            break
        if got == wanted[place]:
            frames, place = frames + 1, place + 1
        elif not got.strip(SILENCE):
            holes += 1
        else:
            altered, place = altered + 1, place + 1
    return Comparison(frames=frames + altered, altered=altered, holes=holes)
