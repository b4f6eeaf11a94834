"""The impairment matrix: calls through the whole server over a bad network, one row for each kind of it.

`python -m benchmarks.impair` (or `make impair`) prints one table, writes it as JSON to var/impair, and exits
with 1 unless every figure holds. It needs root, for network namespaces and TUN devices. With --quick it does
the most telling rows only, or name some; with --keep it writes docs/impairments.md.
"""

import argparse
import asyncio
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.calls import Bench, bench
from benchmarks.conversation import SPEECH_S, Conversation
from benchmarks.impairments import QUICK, ROWS, Row
from benchmarks.matrix import Result, Run, matrix, page, summary
from tests.e2e.support.bad_network import TUN
from tests.e2e.support.namespaces import IS_ROOT, Namespace

CALLS = 5
QUICK_CALLS = 3
KEPT = Path("docs/impairments.md")
RESULTS = Path("var/impair")
SCORERS = 2
WIDTH = 180


async def run(rows: Sequence[Row], calls: int, console: Console) -> list[Result]:
    """One row after the other, those with calls of the same length on one server."""
    results = []
    with ProcessPoolExecutor(SCORERS, multiprocessing.get_context("spawn")) as scorers:
        for seconds, alike in groupby(rows, key=lambda row: row.seconds):
            async with bench(seconds) as place:
                for row in alike:
                    with console.status(f"{len(results) + 1} of {len(rows)}: {row.name}"):
                        results.append(await measure(place, row, calls, scorers))
    return results


async def measure(place: Bench, row: Row, calls: int, scorers: ProcessPoolExecutor) -> Result:
    """Hold the calls of one row. They are scored when they are over, so that scoring disturbs none."""
    conversations = await place.talk(*[row.conditions(calls)] * calls)
    loop = asyncio.get_running_loop()
    scored = [loop.run_in_executor(scorers, Conversation.figures, each) for each in conversations]
    return summary(row, await asyncio.gather(*scored))


def main() -> int:
    options = arguments()
    if not IS_ROOT or not TUN.exists():
        print(
            "The impairment matrix makes network namespaces and TUN devices: it needs root and /dev/net/tun."
        )
        return 2
    console, began, load = Console(width=max(Console().width, WIDTH)), time.monotonic(), os.getloadavg()[0]
    rows, calls = (QUICK, QUICK_CALLS) if options.quick else (ROWS, CALLS)
    rows = [row for row in rows if not options.rows or row.name in options.rows]
    near = Namespace("near")
    try:
        with near.entered():
            results = asyncio.run(run(rows, calls, console))
    finally:
        near.delete()
    whole = Run(
        at=datetime.now(UTC).isoformat(timespec="minutes"),
        machine=f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}",
        command="make impair" + (" ARGS=--quick" if options.quick else ""),
        load=load,
        seconds=round(time.monotonic() - began),
        results=results,
    )
    write(whole, keep=options.keep)
    console.print(
        matrix(results, f"{calls} calls of {SPEECH_S} s, unless named otherwise, at once in each row")
    )
    console.print("\n".join(["Not held:", *whole.missed]) if whole.missed else "Every figure was held.")
    return 1 if whole.missed else 0


def write(whole: Run, *, keep: bool) -> None:
    """JSON for later, and the page in docs."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = msgspec.json.format(msgspec.json.encode(whole))
    (RESULTS / f"{whole.at.replace(':', '')}.json").write_bytes(data)
    if keep:
        KEPT.write_text(page(whole))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(names).replace("%", "%%"))
    parser.add_argument("--quick", action="store_true", help="the most telling rows only")
    parser.add_argument("--keep", action="store_true", help=f"write the table to {KEPT}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
