"""What calls cost: `make bench`, or `python -m benchmarks.bench`. docs/benchmarks.md keeps what it prints.

Everything is measured --runs times, in rounds, so that an hour's weather falls on all of it. After each run
the tables in build/bench are true: bench.md, and bench.json with every run and the machine. What was killed
goes on with --resume.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.cost import floor, macro, micro
from benchmarks.cost.conditions import (
    CALLS,
    FLOOR,
    STEPS,
    VARIANT_CALLS,
    Conditions,
    all_conditions,
    chosen,
)
from benchmarks.cost.journal import Journal, Machine
from benchmarks.cost.parties import CALLS_PER_S
from benchmarks.cost.summary import Run

RUNS = 3
FLOOR_S = 10.0
START_S = 10.0
"""What starting and stopping everything takes, about."""
LONGEST_S = 150.0
OUT = Path("build/bench")


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="What calls cost.")
    parser.add_argument("--only", action="append", default=[], help="a name, or g711-*; may be given again")
    parser.add_argument("--list", action="store_true", help="say what there is to measure, and end")
    parser.add_argument("--calls", type=int, action="append", help="how many at once; may be given again")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each is measured")
    parser.add_argument("--quick", action="store_true", help="once each")
    parser.add_argument("--resume", action="store_true", help="keep what was measured already, do the rest")
    parser.add_argument("--out", type=Path, default=OUT, help="where the tables go")
    return parser.parse_args(arguments)


def left_to_do(names: Sequence[str], wanted: int, journal: Journal) -> Iterator[str]:
    """In rounds, without what the journal has."""
    for number in range(wanted):
        yield from (name for name in names if journal.count(name) <= number)


def expected_s(conditions: Conditions | None) -> float:
    """How long a run takes, about; None: of the floor, or the steps."""
    if conditions is None:
        return START_S + FLOOR_S
    return START_S + conditions.calls / CALLS_PER_S + macro.SETTLE_S + macro.MEASURE_S


def measured(name: str, conditions: Conditions | None) -> Run:
    """One run, whatever becomes of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sipagent-bench-") as directory:
        try:
            run = asyncio.run(_measure(name, conditions, Path(directory)))
        except Exception as error:  # hours of other runs are not to be lost for it
            traceback.print_exception(error)
            run = Run(name=name, took_s=0.0, failure=_why(error))
    return Run(
        name=name,
        took_s=round(time.monotonic() - began, 1),
        cost=run.cost,
        floor_percent=run.floor_percent,
        steps_us=run.steps_us,
        failure=run.failure,
    )


async def _measure(name: str, conditions: Conditions | None, directory: Path) -> Run:
    async with asyncio.timeout(LONGEST_S):
        if conditions is not None:
            return Run(name=name, took_s=0.0, cost=await macro.measure(directory, conditions))
        if name == FLOOR:
            percent = await floor.measure(directory, VARIANT_CALLS, FLOOR_S)
            return Run(name=name, took_s=0.0, floor_percent=percent)
        return Run(name=name, took_s=0.0, steps_us=dict(micro.costs()))


def _why(error: BaseException) -> str:
    """The first cause, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _result(run: Run) -> str:
    if run.failure:
        return run.failure
    if run.cost is not None:
        late = f"late p99 {run.cost.late_p99_ms:.1f} ms (callers' media {run.cost.own_late_p99_ms:.1f})"
        return f"{run.cost.percent:.3f} % of a core per call, {late}"
    return f"{run.floor_percent:.4f} % of a core per call" if run.floor_percent else "measured"


def main() -> int:
    """Exit 1 if a run failed, 2 if what is asked for doesn't exist or can't be resumed."""
    asked = options()
    by_name = {each.name: each for each in all_conditions(asked.calls or CALLS)}
    journal = Journal(asked.out, list(by_name.values()), Machine.this())
    try:
        names = chosen([FLOOR, *by_name, STEPS], asked.only)
        if asked.resume:
            journal.resume()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.list:
        print("\n".join(names))
        return 0
    left = list(left_to_do(names, 1 if asked.quick else asked.runs, journal))
    for at, name in enumerate(left):
        rest_s = sum(expected_s(by_name.get(each)) for each in left[at:])
        print(f"{at + 1} of {len(left)}, {rest_s / 60:.0f} min left: {name}", file=sys.stderr, flush=True)
        run = measured(name, by_name.get(name))
        journal.add(run)
        print(f"    {_result(run)}", file=sys.stderr, flush=True)
    print(journal.markdown())
    return 1 if any(run.failure for run in journal.runs) else 0


if __name__ == "__main__":
    sys.exit(main())
