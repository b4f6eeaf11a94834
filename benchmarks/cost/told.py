"""What was measured, in words: Markdown for docs/benchmarks.md and for the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.cost.conditions import Conditions
from benchmarks.cost.summary import Row, Run, Spread, floor_percent, rows, steps_us

AUDIO = {"auto": "G.711", "pcm24": "24 kHz"}
YES = {True: "yes", False: "no"}
HEADINGS = (
    *("calls", "audio", "TLS", "SRTP", "recorded", "sent every ms"),
    *("% of a core per call", "workers", "control", "× floor", "compared"),
    *("MB per call", "late p99 ms", "starved", "lost", "runs"),
)
LEFT = 6
"""So many columns hold words."""


def markdown(machine: str, runs: Sequence[Run], conditions: Sequence[Conditions]) -> str:
    """Everything that was measured on one machine."""
    return "\n\n".join([machine, *_parts(runs, conditions)]) + "\n"


def _parts(runs: Sequence[Run], conditions: Sequence[Conditions]) -> Iterator[str]:
    found = rows(runs, conditions)
    if (floor := floor_percent(runs)) is not None:
        yield f"The floor: {spread(floor, 4)} % of a core per call."
    if found:
        yield table(HEADINGS, LEFT, map(_cells, found))
    if falls := list(_falls(found)):
        yield "\n".join(falls)
    if steps := steps_us(runs):
        yield table(("step, warm", "µs"), 1, ([name, spread(each, 1)] for name, each in steps.items()))
    if failures := [f"- {run.name}: {run.failure}" for run in runs if run.failure]:
        yield "\n".join(["Runs that failed:", "", *failures])


def table(headings: Sequence[str], left: int, cells: Iterable[Sequence[str]]) -> str:
    """The first `left` columns are aligned to the left, the others to the right."""
    whole = [list(headings), *map(list, cells)]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    rule = ["-" * width + ("-" if at < left else ":") for at, width in enumerate(widths)]
    lines = [
        " | ".join(
            text.ljust(width) if at < left else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in whole
    ]
    first, *others = (f"| {line} |" for line in lines)
    return "\n".join([first, "|-" + "|-".join(rule) + "|", *others])


def spread(of: Spread, digits: int) -> str:
    """The median, and in brackets the least and the most if they differ."""
    shown = [f"{each:.{digits}f}" for each in (of.median, of.least, of.most)]
    return shown[0] if len(set(shown)) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _cells(row: Row) -> list[str]:
    given = row.conditions
    of = f"{row.runs} of {row.runs + row.failures}" if row.failures else str(row.runs)
    return [
        *(str(given.calls), AUDIO[given.audio], YES[given.tls], YES[given.srtp], YES[given.records]),
        str(given.send_every_ms),
        *(spread(row.percent, 2), f"{row.workers_percent:.2f}", f"{row.control_percent:.2f}"),
        *(_times(row.floors, 1), f"{_times(row.compared, 2)} × {row.compared_with}" if row.compared else "-"),
        *(f"{row.pss_mb:.2f}", spread(row.late_p99_ms, 1), str(row.starved), str(row.lost_out), of),
    ]


def _times(ratio: float | None, digits: int) -> str:
    return "-" if ratio is None else f"{ratio:.{digits}f}"


def _falls(found: Sequence[Row]) -> Iterator[str]:
    """How flat the cost is, from the fewest calls to the most."""
    for audio, name in AUDIO.items():
        plain = [row for row in found if row.conditions.is_plain and row.conditions.audio == audio]
        if len(plain) > 1:
            last = max(plain, key=lambda row: row.conditions.calls)
            first = min(plain, key=lambda row: row.conditions.calls)
            ratio, fewest = _times(last.compared, 2), first.conditions.calls
            yield f"{name}: of {last.conditions.calls} calls each costs {ratio} times one of {fewest}."
