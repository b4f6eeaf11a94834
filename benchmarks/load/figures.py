"""What a run of load came to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from benchmarks.load.histogram import percentile, total
from benchmarks.load.measures import LATE_BOUNDS_MS, Counts, ReferenceOutcome, Sample, Second
from benchmarks.load.trend import Slope, slope

SERVER = ("control", "workers")
PASSING = "rate"
"""The phase in which calls come and go."""
STEADY = ("hold", "outbound", "refused", "cancelled", "transferred", "mixed", PASSING)
"""Phases with all calls on."""
OURS = ("loop_late", "worker_overloaded")
"""Causes of starvation that are the server's."""
PERCENTILES = (50, 95, 99)
SETTLE_S, SETTLE_SHARE, SLOPE_SAMPLES = 120.0, 1 / 6, 30
"""What is left out at the beginning: pjsip keeps transactions for 32 s, and allocators take their time."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu` is the median of each party in cores while all calls were on, `cpu_max` its busiest second.

    Delays are in ms: set-up from INVITE to 200 as SIPp saw it, `late` of packets as the callers' media saw
    them, `own_late` of that process itself. `stolen` are cores that the host gave to others; `work_ms` is
    what the same work took, idle and while all calls were on. `starved` counts frames of 20 ms by cause.
    """

    calls_wanted: int
    calls_held: int
    succeeded: int
    failed: int
    failures: dict[str, int]
    end_reasons: dict[str, int]
    setup_ms: dict[str, float]
    late_ms: dict[str, float]
    late_max_ms: float
    own_late_ms: dict[str, float]
    packets_to_callers: int
    packets_from_callers: int
    sounding_share: float
    lost_to_callers: int
    lost_from_callers: int
    dropped_by_generator: int
    starved: dict[str, int]
    interruptions: int
    digits: int
    retransmissions: int
    cpu: dict[str, float]
    cpu_max: dict[str, float]
    machine_busy: float
    stolen: float
    work_ms: dict[str, float]
    cpu_percent_per_call: float
    rss_mb: dict[str, float]
    pss_mb: float
    pss_mb_per_call: float
    slopes: dict[str, Slope]
    errors_logged: dict[str, int]
    audit: list[str]
    reference: ReferenceOutcome | None


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max; empty of nothing."""
    if not values:
        return {}
    found = {f"p{each}": round(float(np.percentile(values, each)), 2) for each in PERCENTILES}
    return found | {"max": round(max(values), 2)}


def median(values: Sequence[float]) -> float:
    return round(float(np.median(values)), 4) if values else 0.0


def mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0


def slopes(samples: Sequence[Sample]) -> dict[str, Slope]:
    """How memory in MB, files and threads of the server grow while calls come and go, once all that comes
    with the first of them is there. Empty if there is too little to tell by, and of calls that are held: the
    story of each grows as long as it lasts."""
    passing = [sample for sample in samples if sample.phase == PASSING]
    settled_s = passing[0].at_s + max(SETTLE_S, SETTLE_SHARE * len(passing)) if passing else 0.0
    late = [sample for sample in passing if sample.at_s > settled_s]
    if len(late) < SLOPE_SAMPLES:
        return {}
    times = [sample.at_s for sample in late]
    return {
        "control MB": slope(times, [sample.rss["control"] / 2**20 for sample in late]),
        "workers MB": slope(times, [sample.rss["workers"] / 2**20 for sample in late]),
        "fds": slope(times, [float(sample.fds) for sample in late]),
        "threads": slope(times, [float(sample.threads) for sample in late]),
    }


def lateness(rows: Sequence[Sequence[int]]) -> dict[str, float]:
    counts = total(rows) if rows else []
    return {f"p{each}": round(percentile(counts, LATE_BOUNDS_MS, each), 2) for each in PERCENTILES}


def steady(samples: Sequence[Sample]) -> list[Sample]:
    """Those with all calls on; all of them if the hold was too short for one."""
    return [sample for sample in samples if sample.phase in STEADY] or list(samples)


def cpu_medians(samples: Sequence[Sample]) -> dict[str, float]:
    names = {name: None for sample in samples for name in sample.cpu}
    return {name: round(float(np.median([s.cpu.get(name, 0.0) for s in samples])), 4) for name in names}


def cpu_peaks(samples: Sequence[Sample]) -> dict[str, float]:
    names = {name: None for sample in samples for name in sample.cpu}
    return {name: round(max(s.cpu.get(name, 0.0) for s in samples), 4) for name in names}


def per_call_percent(samples: Sequence[Sample]) -> float:
    """What the server takes of a core for each call that is on: the median of the seconds."""
    shares = [
        100 * sum(sample.cpu[name] for name in SERVER) / sample.calls for sample in samples if sample.calls
    ]
    return round(float(np.median(shares)), 4) if shares else 0.0


def media_totals(seconds: Sequence[Second]) -> Mapping[str, Any]:
    """The part of `Figures` that the callers' media tell."""
    received = sum(second.received for second in seconds)
    dropped = sum(second.dropped for second in seconds)
    return {
        "late_ms": lateness([second.late for second in seconds]),
        "late_max_ms": max((second.late_max_ms for second in seconds), default=0.0),
        "own_late_ms": lateness([second.own_late for second in seconds]),
        "packets_to_callers": received,
        "packets_from_callers": sum(second.sent for second in seconds),
        "sounding_share": round(sum(second.sounding for second in seconds) / max(received, 1), 3),
        "lost_to_callers": max(0, sum(second.lost for second in seconds) - dropped),
        "dropped_by_generator": dropped,
    }


def call_totals(counts: Mapping[str, Counts]) -> Mapping[str, Any]:
    """The part that the SIPps tell, by name."""
    failures = Counter[str]()
    for name, each in counts.items():
        failures.update({f"{name}: {cause}": number for cause, number in each.by_cause.items()})
    return {
        "succeeded": sum(each.successful for each in counts.values()),
        "failed": sum(each.failed for each in counts.values()),
        "failures": dict(failures),
        "retransmissions": sum(each.retransmissions for each in counts.values()),
    }
