"""What a media worker tells the control process, besides events of its calls; `worker.channel` carries it."""

from __future__ import annotations

import msgspec

from rtp.handover import Handover
from rtp.playout import BeingHeard
from sipagent.events import LegEvent

#: Upper bounds, in seconds, of `WorkerReport.tick_late_buckets` (the last bucket is unbounded).
LATE_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


class Report(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of what is no event."""


class WorkerReady(Report, frozen=True, kw_only=True):
    pid: int
    is_compiled: bool = False
    """Whether `sipagent.compiled` is in use."""


class Beat(Report, frozen=True, kw_only=True):
    """The worker's loop turns."""


class LegTaken(Report, frozen=True, kw_only=True):
    """The worker has read the order and makes the leg: if it dies now, it may die of that."""

    call_id: str


class LegSnapshot(Report, frozen=True, kw_only=True):
    """How a leg is whose audio flows: at once, and then every second. It is what `Resumption` is made of."""

    call_id: str
    at: float
    session: Handover
    audio: dict[str, int]
    recorded_since: float | None
    heard: BeingHeard | None


class WorkerReport(Report, frozen=True, kw_only=True):
    """Once a second: how the worker is doing. Counters are totals since its start."""

    at: float
    legs: int
    tasks: int
    cpu_s: float
    rss_bytes: int
    ticks: int
    tick_late_buckets: list[int]
    tick_late_sum_s: float
    ticks_skipped: int


class AudioTapped(Report, frozen=True, kw_only=True):
    """20 ms of both sides as G.711, of the RTP encoding name `codec`."""

    call_id: str
    codec: str
    caller: bytes
    agent: bytes


ToControl = WorkerReady | Beat | WorkerReport | LegTaken | LegSnapshot | AudioTapped | LegEvent
