"""Runs as they are kept: one JSON file, written anew after each, and its tables as Markdown beside it."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.cost.conditions import Conditions
from benchmarks.cost.summary import Row, Run, Spread, floor_percent, rows, steps_us
from benchmarks.cost.told import markdown
from benchmarks.load.version import version
from sipagent import compiled
from sipagent.capacity import this_machine


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What figures are of. Those of another are not to be mixed with them."""

    hardware: str
    python: str
    version: str

    @classmethod
    def this(cls) -> Machine:
        return cls(hardware=this_machine(), python=_python(), version=version())


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON file. All but `runs` follows from them."""

    at: str
    machine: Machine
    floor_percent: Spread | None
    rows: list[Row]
    steps_us: dict[str, Spread]
    runs: list[Run]


class Journal:
    """The runs in one directory; `bench.json` and `bench.md` are true at any time."""

    def __init__(self, directory: Path, conditions: Sequence[Conditions], machine: Machine) -> None:
        self.runs: list[Run] = []
        self.machine = machine
        self._directory = directory
        self._conditions = conditions

    def resume(self) -> None:
        """Go on with what is there. Raises ValueError if that is of another machine, Python or version."""
        try:
            kept = msgspec.json.decode((self._directory / "bench.json").read_bytes(), type=Kept)
        except FileNotFoundError:
            return
        if kept.machine != self.machine:
            raise ValueError(f"the runs in {self._directory} are of {kept.machine}, this is {self.machine}")
        self.runs = [run for run in kept.runs if not run.failure]

    def count(self, name: str) -> int:
        """Runs of that name that succeeded."""
        return sum(run.name == name and not run.failure for run in self.runs)

    def add(self, run: Run) -> None:
        self.runs.append(run)
        self._directory.mkdir(parents=True, exist_ok=True)
        kept = Kept(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=self.machine,
            floor_percent=floor_percent(self.runs),
            rows=rows(self.runs, self._conditions),
            steps_us=steps_us(self.runs),
            runs=self.runs,
        )
        _replace(self._directory / "bench.json", msgspec.json.format(msgspec.json.encode(kept), indent=1))
        _replace(self._directory / "bench.md", self.markdown().encode())

    def markdown(self) -> str:
        machine = self.machine
        heading = f"{datetime.now(UTC):%Y-%m-%d}, {machine.hardware}, {machine.python}, {machine.version}."
        return markdown(heading, self.runs, self._conditions)


def _python() -> str:
    """Its version, and who built it: one built without profiles has calls cost a third more.

    Debian's is built with them, but doesn't tell of it.
    """
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    build = "the system's" if sys.base_prefix == "/usr" else "not the system's"
    if "--enable-optimizations" in options:
        build += ", --enable-optimizations"
    compiler = platform.python_compiler()
    media = "interpreted" if os.environ.get(compiled.INTERPRETED) or not compiled.directory() else "compiled"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python} ({compiler}, {build}), media path {media}"


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
