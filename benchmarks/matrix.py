"""What the impairment matrix found: a table for the terminal, and the page in docs."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.conversation import SPEECH_S, Figures
from benchmarks.impairments import ROWS, Row

Cell = Callable[[Mapping[str, float]], str]


class Result(msgspec.Struct, kw_only=True):
    """One row: every call of it, their means, and which figures are not held."""

    row: Row
    calls: list[Figures]
    mean: dict[str, float]
    starvations: dict[str, int]
    missed: list[str]


class Run(msgspec.Struct, kw_only=True):
    """The whole matrix, and where it was run."""

    at: str
    machine: str
    command: str
    load: float
    seconds: float
    results: list[Result]

    @property
    def missed(self) -> list[str]:
        return [f"{result.row.name}: {missed}" for result in self.results for missed in result.missed]


PAGE = """\
# Calls over bad networks

Written by `make impair ARGS=--keep`: the whole server in a network namespace, callers in another, and a
joiner between them that impairs RTP and RTCP both ways. SIP passes, so that the calls get set up. In each row
{calls} calls at once, with {seconds} s of espeak-ng speech, or what the row says, both ways at the same time.
Figures are means over the calls; of the recording and of the change in delay, the worst call counts.

{at}, {machine}, shared with others (load {load:.1f} at the start); `{command}` took {took:.0f} s. {held}

{table}

| column | meaning |
|---|---|
| PESQ, STOI | of what the model got and of what the caller heard, against the speech before it was coded |
| to model ms | from the caller's packet to the message in the model's process, network included |
| to ear ms | from the model's first message to the ear: tick, network, a phone that buffers at least 60 ms |
| change ms | of the least delay to the model, from the first half of the call to the second |
| lost, late, dupl(icate), reord(ered) | packets of about 640, by the call record; late ones are not lost |
| conc(ealed) ms | audio that the server invented, by the call record |
| rec(ording) ms | how much longer the recording is than the call |
| sides ms | by how much the caller's side is off against the agent's in it, where that is most |
| starved | frames of 20 ms missing in mid-utterance, by cause, all calls together |

G.711 alone gives PESQ 4.13 (model) and 4.07 (caller) with this speech.

| network | what it does | figures that must hold |
|---|---|---|
{rows}
"""

COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("PESQ model", lambda mean: f"{mean['pesq_model']:.2f}"),
    ("STOI", lambda mean: f"{mean['stoi_model']:.3f}"),
    ("PESQ caller", lambda mean: f"{mean['pesq_caller']:.2f}"),
    ("STOI", lambda mean: f"{mean['stoi_caller']:.3f}"),
    ("to model ms", lambda mean: f"{mean['delay_model_ms']:.1f}"),
    ("to ear ms", lambda mean: f"{mean['delay_caller_ms']:.0f}"),
    ("change ms", lambda mean: f"{mean['delay_change_ms']:+.1f}"),
    ("lost", lambda mean: f"{mean['lost']:.1f}"),
    ("late", lambda mean: f"{mean['late']:.1f}"),
    ("conc. ms", lambda mean: f"{mean['concealed_ms']:.0f}"),
    ("dupl.", lambda mean: f"{mean['duplicate']:.1f}"),
    ("reord.", lambda mean: f"{mean['reordered']:.1f}"),
    ("rec. ms", lambda mean: f"{mean['recording_ms']:+.0f}"),
    ("sides ms", lambda mean: f"{mean['alignment_ms']:+.0f}"),
)


def matrix(results: Sequence[Result], title: str | None) -> Table:
    """One row for each; in Markdown, which a terminal shows as well."""
    table = Table(title=title, box=box.MARKDOWN)
    table.add_column("network")
    for heading, _ in COLUMNS:
        table.add_column(heading, justify="right")
    table.add_column("starved")
    table.add_column("held")
    for result in results:
        starved = ", ".join(f"{cause} {frames}" for cause, frames in result.starvations.items() if frames)
        cells = [cell(result.mean) for _, cell in COLUMNS]
        table.add_row(result.row.name, *cells, starved or "0", "no" if result.missed else "yes")
    return table


def summary(row: Row, calls: list[Figures]) -> Result:
    """Means of all numbers, but the recording's, of which the worst counts."""
    numbers = [name for name in Figures.__struct_fields__ if name != "starvations"]
    mean = {name: statistics.fmean(getattr(call, name) for call in calls) for name in numbers}
    for name in ("recording_ms", "alignment_ms", "delay_change_ms"):
        mean[name] = max((getattr(call, name) for call in calls), key=abs)
    causes = {cause for call in calls for cause in call.starvations}
    starvations = {cause: sum(call.starvations.get(cause, 0) for call in calls) for cause in sorted(causes)}
    missed = [str(hold) for hold in row.holds if not hold.by(mean[hold.figure])]
    return Result(row=row, calls=calls, mean=mean, starvations=starvations, missed=missed)


def page(whole: Run) -> str:
    """docs/impairments.md."""
    with open(os.devnull, "w") as nobody:
        console = Console(width=400, record=True, file=nobody)
        console.print(matrix(whole.results, None))
        table = "\n".join(line.strip() for line in console.export_text().strip().splitlines())
    return PAGE.format(
        table=table,
        calls=len(whole.results[0].calls),
        seconds=SPEECH_S,
        held="Every figure was held." if not whole.missed else f"Not held: {'; '.join(whole.missed)}.",
        rows="\n".join(f"| {row.name} | {row.what} | {row.bounds} |" for row in ROWS),
        at=whole.at,
        machine=whole.machine,
        load=whole.load,
        command=whole.command,
        took=whole.seconds,
    )
