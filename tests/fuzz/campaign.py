"""Fuzz every target in turn: `python -m tests.fuzz.campaign --seconds N [TARGET ...]`.

Exits 1 if there was a finding.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.live import Live
from rich.table import Table

from tests.fuzz.targets import TARGETS

STATUS = re.compile(
    r"^#(?P<inputs>\d+)\s.*cov: (?P<coverage>\d+) .*corp: (?P<corpus>\d+).*exec/s: (?P<rate>\d+)"
)
"""A line of libFuzzer: `#8192 pulse  cov: 310 ft: 900 corp: 80/2Kb lim: 80 exec/s: 4096 rss: 80Mb`."""

NOISE = ("#", "INFO:", "WARNING:", "stat::")
MAX_FINDING_LINES = 60


@dataclass(slots=True)
class Run:
    """One target's run, as far as it has got."""

    target: str
    state: str = "waiting"
    inputs: int = 0
    rate: int = 0
    coverage: int = 0
    corpus: int = 0
    finding: list[str] = field(default_factory=list)
    """What the fuzzer said last that is no progress."""

    def follow(self, seconds: int) -> Iterator[None]:
        """Fuzz, keeping the figures up to date; yields when there is news."""
        self.state = "running"
        command = [sys.executable, "-m", "tests.fuzz.run", self.target, "--seconds", str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as fuzzer:
            assert fuzzer.stdout is not None
            for raw in fuzzer.stdout:
                self._take(raw.decode(errors="replace").rstrip())
                yield
        self.state = "clean" if fuzzer.returncode == 0 else "FINDING"

    def _take(self, line: str) -> None:
        if status := STATUS.match(line):
            self.inputs, self.rate, self.coverage, self.corpus = (
                int(status[name]) for name in ("inputs", "rate", "coverage", "corpus")
            )
        elif not line.startswith(NOISE):
            self.finding = [*self.finding[-MAX_FINDING_LINES:], line]


def main() -> None:
    options = _options()
    runs = [Run(target) for target in options.targets or TARGETS]
    with Live(_table(runs)) as live:
        for run in runs:
            for _ in run.follow(options.seconds):
                live.update(_table(runs))
            live.update(_table(runs))
    findings = [run for run in runs if run.state != "clean"]
    for run in findings:
        print(f"\n{run.target}:", *run.finding, sep="\n")
    sys.exit(1 if findings else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz every target in turn.")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    return parser.parse_args()


def _table(runs: Iterable[Run]) -> Table:
    table = Table("target", "state")
    for heading in ("inputs", "inputs/s", "branches", "corpus"):
        table.add_column(heading, justify="right")
    for run in runs:
        figures = (run.inputs, run.rate, run.coverage, run.corpus)
        table.add_row(run.target, run.state, *(f"{figure:,}" for figure in figures))
    return table


if __name__ == "__main__":
    main()
