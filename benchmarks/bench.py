"""What calls cost: `make bench`, or `python -m benchmarks.bench`. docs/benchmarks.md keeps what it prints.

ARGS="--micro" prints the first table alone, ARGS="--calls 100 --calls 300" goes through other numbers of
calls, ARGS="--only calls" leaves out the variants, ARGS="--write FILE" writes what is printed into a file.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.cost import macro, micro
from benchmarks.cost.macro import Conditions, Cost

CALLS = (50, 100, 200, 300)
VARIANT_CALLS = 100


def conditions(calls: list[int], only: str) -> Iterator[Conditions]:
    """G.711 and 24 kHz at each number of calls; everything else by itself, and together, at one number."""
    if only != "variants":
        for audio in ("auto", "pcm24"):
            yield from (Conditions(count, audio=audio) for count in calls)
    if only != "calls":
        yield Conditions(VARIANT_CALLS, records=False)
        yield Conditions(VARIANT_CALLS, tls=True)
        yield Conditions(VARIANT_CALLS, srtp=True)
        yield Conditions(VARIANT_CALLS, tls=True, srtp=True)
        yield Conditions(VARIANT_CALLS, audio="pcm24", tls=True, srtp=True)


def machine() -> str:
    """What the figures are of."""
    cpu = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({cpu}), Linux {platform.release()}, "
        f"Python {platform.python_version()} ({platform.python_compiler()})"
    )


def micro_table() -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("step")
    table.add_column("µs", justify="right")
    for name, cost_us in micro.costs():
        table.add_row(name, f"{cost_us:.1f}")
    return table


def macro_table() -> Table:
    table = Table(box=box.MARKDOWN)
    for heading in ("calls", "audio", "TLS", "SRTP", "recorded"):
        table.add_column(heading)
    for heading in (
        "% of a core per call",
        "of it control",
        "MB per call",
        "tick p99 <= ms",
        "starved",
        "lost",
    ):
        table.add_column(heading, justify="right")
    return table


def row(cost: Cost) -> list[str]:
    given = cost.conditions
    yes = {True: "yes", False: "no"}
    audio = "G.711" if given.audio == "auto" else "24 kHz"
    return [
        *(str(given.calls), audio, yes[given.tls], yes[given.srtp], yes[given.records]),
        *(f"{cost.share:.2f}", f"{cost.control_share:.2f}", f"{cost.pss_mb:.2f}"),
        *(f"{cost.late_p99_ms:g}", str(cost.starved), str(cost.lost_out)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="What calls cost.")
    parser.add_argument("--micro", action="store_true", help="the steps of a packet alone")
    parser.add_argument("--calls", type=int, action="append", help="how many at once; may be given again")
    parser.add_argument("--only", choices=("all", "calls", "variants"), default="all")
    parser.add_argument("--write", type=Path, help="a file for what is printed")
    asked = parser.parse_args()
    console = Console(width=140, record=True)
    console.print(machine() + "\n")
    console.print(micro_table())
    if not asked.micro:
        table = macro_table()
        for wanted in conditions(asked.calls or list(CALLS), asked.only):
            cost = asyncio.run(macro.measure(wanted))
            print(*row(cost), sep="  ", file=sys.stderr, flush=True)
            table.add_row(*row(cost))
        console.print(table)
    if asked.write is not None:
        asked.write.write_text(console.export_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
