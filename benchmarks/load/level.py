"""The service level, and where it is broken: by the server, or by those who pretend to be its peers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from benchmarks.load.figures import OURS, Figures
from benchmarks.load.measures import ReferenceOutcome, Sample
from benchmarks.load.plan import Plan
from rtp.taps import LAG_S

#: From here on a process has no more to give: one core is all that any of them can use.
SATURATED = 0.9
#: Of the machine's time: what a host may take of it before packets that are late may be its doing.
STOLEN = 0.01
#: rtp.jitter_min_ms
JITTER_BUFFER_MS = 60.0
#: A recording follows the clock, and has silence where a caller paused for longer.
RECORDED_PAUSE_MS = 1000 * LAG_S


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised to every call."""

    setup_p95_ms: float = 200.0
    late_p99_ms: float = 5.0
    growth_per_hour: float = 5.0
    """Of what has a slope: MB, files, threads; what surely grows faster is a leak."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`breaches` are the server's; `doubts` tell why the run may say little of it."""

    breaches: list[str]
    doubts: list[str]

    @property
    def is_held(self) -> bool:
        return not self.breaches and not self.doubts

    @property
    def bottleneck(self) -> str:
        """In one line."""
        if self.is_held:
            return "the service level is held"
        server = "the server: " + "; ".join(self.breaches) if self.breaches else ""
        if not self.doubts:
            return server
        others = "not the server, first: " + "; ".join(self.doubts)
        return f"{others}. And perhaps for that, {server}" if server else others


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as it is kept in JSON."""

    plan: Plan
    level: Level
    figures: Figures
    verdict: Verdict
    samples: list[Sample]
    sipp_errors: dict[str, str]


def judge(figures: Figures, level: Level | None = None, cores: int = 1) -> Verdict:
    """All that is broken. A doubt is not the server's fault, and leaves its breaches unexplained."""
    held_to = level or Level()
    return Verdict(breaches=list(_breaches(figures, held_to)), doubts=list(_doubts(figures, held_to, cores)))


def _breaches(figures: Figures, level: Level) -> Iterator[str]:
    if figures.failed:
        causes = ", ".join(f"{name} {count}" for name, count in figures.failures.items())
        yield f"{figures.failed} calls failed ({causes})"
    if figures.calls_held < figures.calls_wanted:
        yield f"only {figures.calls_held} of {figures.calls_wanted} calls were on at once"
    if starved := {cause: figures.starved[cause] for cause in OURS if figures.starved.get(cause)}:
        yield f"agents starved: {starved}"
    if figures.late_ms.get("p99", 0.0) > level.late_p99_ms:
        yield f"packets p99 {figures.late_ms['p99']:g} ms late"
    if figures.lost_to_callers:
        yield f"{figures.lost_to_callers} packets to callers lost"
    if figures.lost_from_callers:
        yield f"{figures.lost_from_callers} packets from callers lost"
    if figures.setup_ms.get("p95", 0.0) > level.setup_p95_ms:
        yield f"set-up p95 {figures.setup_ms['p95']:g} ms"
    if (call := figures.reference) is not None and not call.is_intact and not _excused(call):
        yield f"the reference call is not intact: {call}"
    if figures.errors_logged:
        yield f"errors logged: {figures.errors_logged}"
    for name, slope in figures.slopes.items():
        if slope.low > level.growth_per_hour:
            yield f"{name} grow by {slope.per_hour:.0f} ({slope.low:.0f} to {slope.high:.0f}) an hour"
    yield from figures.audit


def _doubts(figures: Figures, level: Level, cores: int) -> Iterator[str]:
    if figures.dropped_by_generator:
        yield f"the callers' media dropped {figures.dropped_by_generator} packets itself"
    if figures.own_late_ms.get("p99", 0.0) > level.late_p99_ms:
        yield f"the callers' media woke p99 {figures.own_late_ms['p99']:g} ms late itself"
    if (call := figures.reference) is not None and not call.is_intact and _excused(call):
        yield f"the reference caller sent up to {call.caller_late_ms:g} ms late itself"
    if figures.starved.get("backend_late"):
        yield f"the simulated model was late with {figures.starved['backend_late']} frames"
    for name in ("model", "callers' media", "SIPp"):
        if figures.cpu.get(name, 0.0) > SATURATED:
            yield f"{name} took {figures.cpu[name]:.0%} of a core"
    if figures.stolen > STOLEN * cores and figures.late_ms.get("p99", 0.0) > level.late_p99_ms:
        yield f"the host took {figures.stolen / cores:.0%} of the machine's time for others"
    if figures.machine_busy > SATURATED * cores:
        ours = sum(figures.cpu.get(name, 0.0) for name in ("control", "workers"))
        yield f"the machine was full ({figures.machine_busy:.2f} cores), {ours:.2f} of it the server's"


def _excused(call: ReferenceOutcome) -> bool:
    """What the model misses of a caller who was later than a jitter buffer waits is the caller's doing, and
    so is silence in the recording of one who paused."""
    patience_ms = RECORDED_PAUSE_MS if call.to_model.is_intact else JITTER_BUFFER_MS
    return call.is_heard and call.caller_late_ms > patience_ms
