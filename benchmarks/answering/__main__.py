"""How often who answers is told rightly: `make amd`. docs/answering-machines.md keeps what it prints."""

from __future__ import annotations

import argparse
from time import process_time

from rich.console import Console
from rich.table import Table

from benchmarks.answering.corpus import COUNTS, PARTS, Call, calls
from benchmarks.answering.judging import FRAME_BYTES, Figures, figures
from rtp.answering import AnsweringDetector, AnsweringParams

KINDS = ("human", "machine", "fax", "announcement", "unknown")
NAMES = {"desk": "human, for a company", "silence": "nobody speaks"}
COST_FRAMES = 175
"""3.5 s of a call whose answerer isn't known yet."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answering", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="both if not given")
    parser.add_argument("--errors", action="store_true", help="list the calls that were judged wrongly")
    args = parser.parse_args()
    console = Console()
    for part in args.part or PARTS:
        made = list(calls(part))
        found = figures(made, AnsweringParams())
        console.print(matrix(part, found))
        console.print(summary(found), highlight=False)
        for line in found.wrong if args.errors else ():
            console.print(line, highlight=False)
    console.print(f"{cost_us(made):.0f} us of CPU a frame, until it is known", highlight=False)


def matrix(part: str, found: Figures) -> Table:
    """Who answered, by row, and who was said to."""
    table = Table("answered by", *KINDS, title=f"{part}: {sum(COUNTS.values())} calls", title_justify="left")
    for kind in COUNTS:
        row = (found.verdicts[kind, judged] for judged in KINDS)
        table.add_row(NAMES.get(kind, kind), *(str(count or "") for count in row))
    return table


def summary(found: Figures) -> str:
    waits = sorted(found.waits_ms)
    beeps = ", ".join(f"{what} {count}" for what, count in sorted(found.beeps.items()))
    human, machine = ("human", "desk"), ("machine",)
    return "\n".join(
        (
            f"humans taken for humans {found.right(*human, as_kind='human'):.1%},"
            f" for machines {found.right(*human, as_kind='machine'):.1%}",
            f"machines taken for machines {found.right(*machine, as_kind='machine'):.1%},"
            f" for humans {found.right(*machine, as_kind='human'):.1%}",
            f"a human waits after the greeting: median {waits[len(waits) // 2]} ms, longest {waits[-1]} ms",
            f"known after the answer, median: human {found.typical_ms('human'):.0f} ms,"
            f" machine {found.typical_ms('machine'):.0f} ms",
            f"beeps: {beeps}",
        )
    )


def cost_us(made: list[Call]) -> float:
    """What a frame costs, decoding not counted, in the mean over some calls."""
    speech = [call.pcm for call in made if call.kind == "machine"][:20]
    began, count = process_time(), 0
    for pcm in speech:
        detector, now = AnsweringDetector(AnsweringParams(), 0.0), 0.0
        for at in range(0, COST_FRAMES * FRAME_BYTES, FRAME_BYTES):
            now += 0.02
            count += 1
            if [*detector.hear(pcm[at : at + FRAME_BYTES], now)]:
                break
    return (process_time() - began) / count * 1e6


main()
