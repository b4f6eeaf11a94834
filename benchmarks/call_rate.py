"""Calls set up and torn down per second: short calls from SIPp through the whole server, at a steady rate.

`python -m benchmarks.call_rate` (or `make call-rate`) prints one row per rate. Each call is an INVITE, 200,
ACK, speech both ways for a moment, and BYE, with a simulated model behind it and a recording. SIPp, the model
and the server share the machine. A rate is held if no call failed and each has its record.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from sipagent.formats import CODECS
from sipagent.simulator import voice
from tests.e2e.support import sipp
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import SIPAGENT, Record, Server, running
from tests.e2e.support.setup import HOST, write_setup

RATES, SECONDS, CALL_MS = (20, 50, 100), 20, 300
GREETING_MS, SPEECH_MS = 200, 1000
RTP_PAIRS = 1000
CALLER = "127.0.0.2"
"""Not the server's address, whose RTP ports calls must not point at."""
QUIET = {"turn_detection": None}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Outcome:
    """What came of one rate: `setup_ms` by SIPp's clock, CPU in cores while it lasted, SIPp's own too."""

    rate: int
    wanted: int
    setup_ms: Sequence[float]
    records: Sequence[Record]
    failure: str
    took_s: float
    cpu: Mapping[str, float]

    @property
    def is_held(self) -> bool:
        completed = [record for record in self.records if record["end_reason"] == "caller_hung_up"]
        return not self.failure and len(completed) == self.wanted

    def setup(self, percent: float) -> float:
        return float(np.percentile(self.setup_ms, percent)) if self.setup_ms else float("nan")


def cpu_s(pid: int) -> float:
    """CPU time that a process has taken, its threads and itself (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def ended_children_cpu_s() -> float:
    """CPU time of all processes that this one has started and seen the end of."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.asynccontextmanager
async def model(directory: Path) -> AsyncIterator[tuple[str, int]]:
    """The URL and the process id of a simulated Realtime server that greets every caller."""
    port, script = free_port(), directory / "script.yaml"
    turns = [{"heard": "pattern", "reply": [{"pattern_ms": GREETING_MS, "number": 2}]}]
    script.write_text(yaml.safe_dump({"turns": turns, "obedient": False}))
    process = await asyncio.create_subprocess_exec(
        *(SIPAGENT, "simulate", "realtime", "--port", str(port), "--script", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            await process.stdout.readline()
        yield f"ws://{HOST}:{port}/v1/realtime", process.pid
    finally:
        process.terminate()
        await process.wait()


async def measure(rate: int, seconds: int) -> Outcome:
    """Call for that long, on a server of its own."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "speech.ulaw").write_bytes(voice.pattern(1, SPEECH_MS, CODECS["PCMU"]))
        async with model(directory) as (url, model_pid):
            backend = {"kind": "openai_realtime", "url": url, "extra_session": {"audio": {"input": QUIET}}}
            setup = write_setup(
                directory / "server",
                url,
                agent={"greeting": "Hello", "backend": backend},
                trunk={"allowed_addresses": [HOST, CALLER]},
                rtp_pairs=RTP_PAIRS,
                logging={"level": "info"},
            )
            async with running(setup, spare_threads=32) as server:
                return await _call(server, model_pid, directory, rate, seconds)


async def _call(server: Server, model_pid: int, directory: Path, rate: int, seconds: int) -> Outcome:
    wanted = rate * seconds
    pids = {"control": [server.process.pid], "workers": server.workers, "model": [model_pid]}
    before = {name: sum(map(cpu_s, each)) for name, each in pids.items()}
    before["SIPp"] = ended_children_cpu_s()
    failure = ""
    started = asyncio.get_running_loop().time()
    try:
        await sipp.play(
            "uac-short-call",
            directory,
            (server.setup.host, server.setup.sip_port),
            *("-r", str(rate), "-d", str(CALL_MS), "-trace_rtt", "-rtt_freq", "1"),
            host=CALLER,
            calls=wanted,
            timeout_s=seconds + 30,
        )
    except AssertionError as error:
        failure = str(error)
    took = asyncio.get_running_loop().time() - started
    cpu = {name: (sum(map(cpu_s, each)) - before[name]) / took for name, each in pids.items()}
    cpu["SIPp"] = (ended_children_cpu_s() - before["SIPp"]) / took
    records = [] if failure else await server.next_records(wanted, within_s=30)
    return Outcome(rate, wanted, _setup_times(directory), records, failure, took, cpu)


def _setup_times(directory: Path) -> list[float]:
    """SIPp's table of response times, in ms."""
    times: list[float] = []
    for path in directory.glob("uac-short-call_*_rtt.csv"):
        with path.open(newline="") as file:
            times += [float(row[1]) for row in list(csv.reader(file, delimiter=";"))[1:]]
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rates", nargs="*", type=int, default=RATES, help="calls per second")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    options = parser.parse_args()
    table = Table(box=box.MARKDOWN)
    for heading in (
        "calls/s",
        "calls",
        "reached",
        "set-up p50 ms",
        "p95",
        "max",
        "control",
        "workers",
        "model",
        "SIPp",
        "held",
    ):
        table.add_column(heading, justify="right")
    outcomes = [asyncio.run(measure(rate, options.seconds)) for rate in options.rates]
    for each in outcomes:
        times = [f"{each.setup(percent):.0f}" for percent in (50, 95, 100)]
        cpu = [f"{100 * share:.0f} %" for share in each.cpu.values()]
        table.add_row(
            str(each.rate),
            str(each.wanted),
            f"{each.wanted / each.took_s:.0f}",
            *times,
            *cpu,
            "yes" if each.is_held else "no",
        )
    Console(width=120).print(table)
    for each in outcomes:
        print(each.failure)
    return 0 if all(each.is_held for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
