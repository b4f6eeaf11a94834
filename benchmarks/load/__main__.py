"""`make load`: calls with speech both ways, held on one server; what they cost, and whether all went well.

The report is written to build/load/: report.html with plots, and report.json beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.load.plan import Plan
from benchmarks.load.terminal import execute

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def load(
    calls: Annotated[int, typer.Option(min=1, help="How many calls are held at once.")] = 50,
    hold: Annotated[float, typer.Option(min=1, help="For how many seconds.")] = 60.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Calls begun per second.")] = 20.0,
    rate_only: Annotated[
        float | None, typer.Option(help="Short calls at this rate per second instead, for --for seconds.")
    ] = None,
    for_s: Annotated[float, typer.Option("--for", help="How long --rate-only goes on.")] = 60.0,
    talk: Annotated[float, typer.Option(min=0, help="How long each of those lasts, in seconds.")] = 1.0,
    sides: Annotated[bool, typer.Option(help="Refused, cancelled and transferred calls meanwhile.")] = True,
    wideband: Annotated[bool, typer.Option(help="The model speaks 24 kHz PCM.")] = False,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("build/load"),
) -> None:
    """Exit 1 unless the service level is held."""
    plan = Plan(calls, rate, hold, has_sides=sides, wideband=wideband)
    if rate_only is not None:
        at_once = max(1, round(rate_only * talk))
        plan = Plan(at_once, rate_only, for_s, talk, has_sides=False, wideband=wideband)
    raise execute(plan, out)


if __name__ == "__main__":
    app()
