"""`make soak`: calls that are held for long, and thousands of short ones beside them; does anything grow?

By default an hour with 20,000 short calls; `--minutes` makes all of it shorter. The report is written to
build/soak/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.load.plan import SHORT_CALL_S, Plan
from benchmarks.load.terminal import execute

SHORT_CALLS_PER_HOUR = 20_000
RAMP_PER_S = 10.0
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=1, help="For how long.")] = 60.0,
    calls: Annotated[int, typer.Option(min=1, help="How many calls are held throughout.")] = 50,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("build/soak"),
) -> None:
    """Exit 1 unless the service level is held and nothing surely grows."""
    seconds = 60 * minutes
    rate_per_s = SHORT_CALLS_PER_HOUR * minutes / 60 / (seconds - SHORT_CALL_S)
    raise execute(Plan(calls, RAMP_PER_S, seconds, short_rate_per_s=rate_per_s, has_sides=False), out)


if __name__ == "__main__":
    app()
