"""Runs in, a table out: medians, how far the runs lie apart, and what they are to be compared with. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from statistics import median

import msgspec

from benchmarks.cost.conditions import Conditions
from benchmarks.cost.macro import Cost


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of `name`: its cost, the floor's percent, or each step's µs; or why not."""

    name: str
    took_s: float
    cost: Cost | None = None
    floor_percent: float | None = None
    steps_us: dict[str, float] = {}
    failure: str = ""


class Spread(msgspec.Struct, frozen=True):
    """Of some runs."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Raises StatisticsError of none."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1])


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of some conditions. CPU is percent of a core for each call.

    `floors` is how many times the floor of the same machine that is, `compared` how many times what calls
    cost under the conditions named `compared_with`; None where that was not measured.
    """

    conditions: Conditions
    runs: int
    failures: int
    percent: Spread
    workers_percent: float
    control_percent: float
    pss_mb: float
    late_p99_ms: Spread
    late_max_ms: float
    starved: int
    lost_out: int
    floors: float | None
    compared: float | None
    compared_with: str


def rows(runs: Sequence[Run], conditions: Sequence[Conditions]) -> list[Row]:
    """Of all conditions that a run succeeded under, in their order."""
    floor = floor_percent(runs)
    costs = {each: _costs(runs, each.name) for each in conditions}
    percents = {
        each: Spread.of(cost.percent for cost in found).median for each, found in costs.items() if found
    }
    made = []
    for each, percent in percents.items():
        other = reference(each, percents)
        row = Row(
            conditions=each,
            runs=len(costs[each]),
            failures=sum(run.name == each.name and bool(run.failure) for run in runs),
            percent=Spread.of(cost.percent for cost in costs[each]),
            workers_percent=median(cost.workers_percent for cost in costs[each]),
            control_percent=median(cost.control_percent for cost in costs[each]),
            pss_mb=median(cost.pss_mb for cost in costs[each]),
            late_p99_ms=Spread.of(cost.late_p99_ms for cost in costs[each]),
            late_max_ms=max(cost.late_max_ms for cost in costs[each]),
            starved=sum(cost.starved for cost in costs[each]),
            lost_out=sum(cost.lost_out for cost in costs[each]),
            floors=percent / floor.median if floor else None,
            compared=percent / percents[other] if other else None,
            compared_with=other.name if other else "",
        )
        made.append(row)
    return made


def reference(of: Conditions, measured: Collection[Conditions]) -> Conditions | None:
    """What it is compared with: plain calls with the fewest of them; a variant with as many plain ones."""
    plain = [each for each in measured if each.is_plain and each.audio == of.audio]
    if of.is_plain:
        return min(plain, key=lambda each: each.calls)
    return next((each for each in plain if each.calls == of.calls), None)


def floor_percent(runs: Sequence[Run]) -> Spread | None:
    found = [run.floor_percent for run in runs if run.floor_percent is not None]
    return Spread.of(found) if found else None


def steps_us(runs: Sequence[Run]) -> dict[str, Spread]:
    """What each step of a packet's road takes."""
    names = dict.fromkeys(name for run in runs for name in run.steps_us)
    return {name: Spread.of(run.steps_us[name] for run in runs if name in run.steps_us) for name in names}


def _costs(runs: Sequence[Run], name: str) -> list[Cost]:
    return [run.cost for run in runs if run.name == name and run.cost is not None]
