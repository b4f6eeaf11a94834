"""`make soak`: calls that are held for long, and thousands of short ones beside them; does anything grow?

By default an hour with 20,000 short calls; `--minutes` makes all of it shorter. Those that are held last
five minutes and are followed by others: a call's story grows as long as it lasts. The report is written to
build/soak/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.load.plan import SHORT_CALL_S, Plan
from benchmarks.load.terminal import execute

SHORT_CALLS_PER_HOUR = 20_000
HELD_CALL_S = 300.0
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=1, help="For how long.")] = 60.0,
    calls: Annotated[int, typer.Option(min=1, help="How many calls are held at any time.")] = 50,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("build/soak"),
) -> None:
    """Exit 1 unless the service level is held and nothing surely grows."""
    seconds = 60 * minutes
    rate_per_s = SHORT_CALLS_PER_HOUR * minutes / 60 / (seconds - SHORT_CALL_S)
    held_s = min(HELD_CALL_S, seconds / 4)
    plan = Plan(calls, calls / held_s, seconds, held_s, short_rate_per_s=rate_per_s, has_sides=False)
    raise execute(plan, out)


if __name__ == "__main__":
    app()
