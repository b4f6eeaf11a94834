"""SIPp as the load: scenarios of `sipp_scenarios/`, what it counts, and how long answers took."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from benchmarks.load.measures import Counts
from tests.e2e.support.ports import free_port
from tests.e2e.support.sip import host_port
from tests.e2e.support.sipp import SCENARIOS

#: What calls may take beyond their planned length before SIPp gives up.
GRACE_S = 40
COUNTS_EVERY = "1s"
ERRORS_KEPT = 2000


class NoSipp(RuntimeError):
    """SIPp is not installed."""


class Sipp:
    """One SIPp process, and its files."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, directory: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._directory = directory
        self._times_read = 0

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def ended(self) -> int:
        return await self._process.wait()

    def counts(self) -> Counts:
        path = self._directory / f"{self.name}.csv"
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) < 2:
            return Counts()
        names, last = lines[0].split(";"), lines[-1].split(";")
        return Counts.of(dict(zip(names, last, strict=False))) if len(last) == len(names) else Counts()

    def new_answer_times_ms(self) -> list[float]:
        """From INVITE to 200, of every call that was answered since this was asked before."""
        times = []
        for path in self._directory.glob("*_rtt.csv"):
            with path.open() as file:
                file.seek(self._times_read)
                whole, end, _ = file.read().rpartition("\n")
            self._times_read += len(whole) + len(end)
            rows = (line.split(";") for line in whole.splitlines())
            times += [float(row[1]) for row in rows if row[0][:1].isdigit()]
        return times

    def errors(self) -> str:
        path = self._directory / f"{self.name}.errors"
        return path.read_text(errors="replace")[:ERRORS_KEPT] if path.exists() else ""


@contextlib.asynccontextmanager
async def sipp(
    name: str,
    scenario: str,
    directory: Path,
    target: tuple[str, int],
    number: str,
    *arguments: str,
    calls: int,
    rate_per_s: float,
    lasts_s: float,
    port: int | None = None,
) -> AsyncIterator[Sipp]:
    """`calls` calls of a scenario, begun at a rate, to a number at the target; or taken, by `uas-` scenarios.

    Killed if it is still running at the end of the context; it gives up by itself some time after `lasts_s`.
    Raises NoSipp.
    """
    require_sipp()
    own = directory / name
    own.mkdir()
    host = target[0]
    process = await asyncio.create_subprocess_exec(
        *("sipp", host_port(target), "-sf", SCENARIOS / f"{scenario}.xml", "-s", number),
        *("-i", host, "-p", str(port or free_port(host)), "-mi", host, "-mp", str(free_port(host))),
        *("-m", str(calls), *_pace(rate_per_s)),
        *("-timeout", f"{int(lasts_s) + GRACE_S}s", "-timeout_error", "-nostdin"),
        *("-trace_stat", "-stf", f"{name}.csv", "-fd", COUNTS_EVERY, "-trace_rtt", "-rtt_freq", "1"),
        *("-trace_err", "-error_file", f"{name}.errors"),
        *arguments,
        cwd=own,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Sipp(name, process, own)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def require_sipp() -> None:
    """Raises NoSipp."""
    if shutil.which("sipp") is None:
        raise NoSipp("SIPp makes the calls, and isn't installed: apt-get install sip-tester")


def write_callers(path: Path, ports: Sequence[int], calls: int, crypto: str = "") -> None:
    """The file for `-inf`: where each call's audio is to go, who calls, and the `a=crypto` line of SRTP."""
    media = f"SAVP;{crypto}" if crypto else "AVP;a=ptime:20"
    rows = (f"{ports[call % len(ports)]};+1555{call:07d};{media};" for call in range(calls))
    path.write_text("\n".join(["SEQUENTIAL", *rows, ""]))


def _pace(rate_per_s: float) -> tuple[str, ...]:
    """SIPp takes whole calls per period."""
    if rate_per_s >= 1 and float(rate_per_s).is_integer():
        return "-r", str(int(rate_per_s))
    return "-r", "10", "-rp", str(round(10_000 / rate_per_s))
