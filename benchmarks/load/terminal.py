"""A run on the terminal, and the report that it leaves."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from benchmarks.load.level import Outcome
from benchmarks.load.measures import Counts, Sample
from benchmarks.load.plan import Plan
from benchmarks.load.report import Report, as_html, as_json, rows
from benchmarks.load.run import run
from benchmarks.load.sipp import NoSipp
from benchmarks.load.version import version
from sipagent.capacity import this_machine

#: Where nobody watches.
LINE_EVERY_S = 30.0
console = Console()


def execute(plan: Plan, out: Path) -> typer.Exit:
    """Run it and tell of it. The status is 0 if the service level was held, 1 if not, 2 without SIPp.

    SIGTERM is taken as Ctrl-C is: all that was started is ended.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcome = asyncio.run(watched(plan, out))
    except NoSipp as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return typer.Exit(2)
    write(outcome, out)
    table = Table(box=None, show_header=False)
    for name, told in rows(outcome):
        table.add_row(name, escape(told))
    console.print(table)
    console.print(f"{out}/report.html, {out}/report.json", highlight=False)
    return typer.Exit(0 if outcome.verdict.is_held else 1)


async def watched(plan: Plan, out: Path) -> Outcome:
    """A run that tells on the terminal how it goes. What it leaves lies in `out`."""
    directory = fresh(out / "run")
    if not console.is_terminal:
        return await run(plan, directory, Lines(plan).show)
    with Live(console=console, refresh_per_second=2) as live:

        def show(sample: Sample, counts: Mapping[str, Counts]) -> None:
            live.update(progress(plan, sample, counts))

        live.update("starting")
        return await run(plan, directory, show)


class Lines:
    """Tells a file or a pipe of the run: a line every `LINE_EVERY_S`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._next_at_s = 0.0

    def show(self, sample: Sample, counts: Mapping[str, Counts]) -> None:
        if sample.at_s < self._next_at_s:
            return
        self._next_at_s = sample.at_s + LINE_EVERY_S
        failed = sum(each.failed for each in counts.values())
        parts = (
            f"{sample.phase}, {sample.at_s:.0f} of {self._plan.lasts_s:.0f} s: {sample.calls} calls",
            f"{failed} failed",
            *(f"{name} {sample.rss[name] / 2**20:.0f} MB" for name in ("control", "workers")),
            f"late p99 {sample.late_p99_ms:.1f} ms",
        )
        console.print(", ".join(parts), highlight=False, soft_wrap=True)


def progress(plan: Plan, sample: Sample, counts: Mapping[str, Counts]) -> Table:
    """One look, in a few lines."""
    server = sample.cpu.get("control", 0.0) + sample.cpu.get("workers", 0.0)
    failed = sum(each.failed for each in counts.values())
    table = Table.grid(padding=(0, 3))
    table.add_row(f"[bold]{sample.phase}[/]", f"{sample.at_s:.0f} of {plan.lasts_s:.0f} s")
    table.add_row("calls", f"{sample.calls}, {sample.streams} with audio, [red]{failed or ''}[/] failed")
    table.add_row("server", f"{server:.2f} cores of {sample.machine_busy:.2f} that are busy")
    table.add_row("late", f"p99 {sample.late_p99_ms:.1f} ms, max {sample.late_max_ms:.1f} ms")
    return table


def write(outcome: Outcome, out: Path) -> None:
    report = Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(),
        version=version(),
        command=shlex.join(["python -m benchmarks.load", *sys.argv[1:]]),
        outcome=outcome,
    )
    (out / "report.json").write_bytes(as_json(report))
    (out / "report.html").write_text(as_html(report))


def fresh(directory: Path) -> Path:
    """Empty, whatever an earlier run left there."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory.resolve()
