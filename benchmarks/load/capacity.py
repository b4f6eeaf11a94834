"""How many calls this machine carries: `sipagent capacity` runs this module."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.load.level import Outcome
from benchmarks.load.plan import Plan
from benchmarks.load.run import run
from benchmarks.load.search import Step, least_broken, most_held, next_calls
from benchmarks.load.sipp import NoSipp, require_sipp
from benchmarks.load.version import version
from sipagent.capacity import Capacity, fingerprint, this_machine, write
from sipagent.config import load

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def capacity(
    config: Annotated[Path, typer.Option("--config", "-c", help="Whose media settings are taken.")],
    first: Annotated[int, typer.Option(min=1)] = 20,
    most: Annotated[int, typer.Option(min=1)] = 1000,
    hold: Annotated[float, typer.Option(min=1)] = 15.0,
    rate: Annotated[float, typer.Option(min=0.1)] = 20.0,
) -> None:
    """Grow and halve until the number is found at which the service level breaks, and keep it."""
    settings = load(config)
    try:
        require_sipp()
    except NoSipp as error:
        console.print(f"[red]{escape(str(error))}[/]")
        raise typer.Exit(2) from None
    outcomes: list[tuple[Step, Outcome]] = []
    while (calls := next_calls([step for step, _ in outcomes], first, most)) is not None:
        plan = Plan(calls, rate, hold, has_sides=False, workers=settings.media.workers)
        outcome = asyncio.run(tried(plan))
        outcomes.append((Step(calls, outcome.verdict.is_held), outcome))
        told = f"{calls:5d} calls, {outcome.figures.cpu_percent_per_call:.2f} % of a core each"
        console.print(f"{told}: {escape(outcome.verdict.bottleneck)}", highlight=False)
    found = concluded(outcomes, fingerprint(settings))
    write(settings.storage.capacity, found)
    console.print(
        f"{found.calls} calls held: the peak is {found.peak}. Written to {settings.storage.capacity}."
    )
    raise typer.Exit(0 if found.calls else 1)


async def tried(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory() as directory:
        return await run(plan, Path(directory), lambda sample, counts: None)


def concluded(outcomes: list[tuple[Step, Outcome]], settings: str) -> Capacity:
    steps = [step for step, _ in outcomes]
    broken_at = least_broken(steps)
    broken = next((outcome for step, outcome in outcomes if step.calls == broken_at), None)
    return Capacity(
        calls=most_held(steps),
        broken_at=broken_at,
        broken_by=broken.verdict.bottleneck if broken else "",
        limited_by="peers" if broken is not None and broken.verdict.doubts else "server",
        machine=this_machine(),
        version=version(),
        settings=settings,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


if __name__ == "__main__":
    app()
