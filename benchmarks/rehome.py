"""Calls with a model's speech, of which a media worker is killed or stopped: how long callers hear nothing.

Each caller is heard packet by packet. `wire` is the longest time between two packets from the loss on,
`speech` between two of the agent's words. The calls of the other workers are shown for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import yaml

from tests.e2e.support import processes
from tests.e2e.support.phone import Phone, phone
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import SIPAGENT, Record, Server, running
from tests.e2e.support.setup import HOST, write_setup
from tests.e2e.support.waiting import eventually

REPLY_S = 30
BEFORE_S, SETTLE_S, AFTER_S = 3.0, 1.0, 5.0
FRAME_S = 0.02
CALLS_PER_S = 25
LOSSES = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call. Times in seconds."""

    was_lost: bool
    wire_s: float
    speech_s: float
    record: Record

    @classmethod
    def of(cls, caller: Phone, lost_at: float, was_lost: bool, record: Record) -> Outcome:
        around = [heard.at for heard in caller.heard if heard.at > lost_at - FRAME_S]
        wire_s = max((after - before for before, after in pairwise(around)), default=float("inf"))
        spoken = [heard.at for heard in caller.frames_of_speech() if heard.at > lost_at - FRAME_S]
        speech_s = max((after - before for before, after in pairwise(spoken)), default=float("inf"))
        return cls(was_lost, wire_s, speech_s, record)


@contextlib.asynccontextmanager
async def model(directory: Path) -> AsyncIterator[str]:
    """A simulated model in a process of its own, which speaks all the time; its URL."""
    port, script = free_port(), directory / "model.yaml"
    turns = [{"reply": [{"pattern_ms": REPLY_S * 1000}]}]
    options = {"turns": turns, "obedient": False, "turns_by_clock": {"first_s": 600.0}, "log_events": False}
    script.write_text(yaml.safe_dump(options))
    process = await asyncio.create_subprocess_exec(
        *(SIPAGENT, "simulate", "realtime", "--port", str(port), "--script", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield f"ws://{HOST}:{port}/v1/realtime"
    finally:
        process.kill()
        await process.wait()


async def lose_a_worker(calls: int, workers: int, loss: signal.Signals) -> list[Outcome]:
    with tempfile.TemporaryDirectory() as directory:
        async with model(Path(directory)) as url:
            setup = write_setup(
                Path(directory) / "server",
                url,
                agent={"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}},
                trunk={"allowed_addresses": ["127.0.0.0/16"], "public_address": HOST},
                rtp_pairs=calls + 20,
                media={"workers": workers},
                limits={"max_calls": calls + 10, "max_calls_per_second": 1000},
                logging={"level": "info"},
            )
            errors = ["worker_died", "worker_hung"]
            async with running(setup, errors=errors, spare_threads=32) as server:
                return await _outcomes(server, calls, workers, loss)


async def _outcomes(server: Server, calls: int, workers: int, loss: signal.Signals) -> list[Outcome]:
    await eventually(lambda: len(processes.children(server.process.pid)) == workers + 1, "all workers")
    async with contextlib.AsyncExitStack() as stack:
        callers = []
        for number in range(calls):
            host = f"127.0.1.{number + 1}"
            caller = await stack.enter_async_context(phone(server.setup, host=host))
            assert (await caller.invite()).status == 200
            callers.append(caller)
            await asyncio.sleep(1 / CALLS_PER_S)
        await asyncio.sleep(BEFORE_S)
        carried = carried_by(server, callers)
        victim = max(carried, key=lambda pid: len(carried[pid]))
        await asyncio.sleep(SETTLE_S)  # to look it up has held up the callers
        lost_at = time.monotonic()
        os.kill(victim, loss)
        await asyncio.sleep(AFTER_S)
        await asyncio.gather(*(caller.hang_up() for caller in callers if not caller.ended.is_set()))
        records = {each["sip_call_id"]: each for each in await server.next_records(calls, within_s=30)}
    lost = set(carried[victim])
    return [Outcome.of(each, lost_at, each in lost, records[each.sip_call_id]) for each in callers]


def carried_by(server: Server, callers: Sequence[Phone]) -> dict[int, list[Phone]]:
    """The calls of each worker, by its pid."""
    by_port = {caller.rtp_target[1]: caller for caller in callers}
    pids = processes.children(server.process.pid)
    return {pid: [by_port[port] for port in processes.bound(pid, by_port)] for pid in pids}


def table(outcomes: Sequence[Outcome]) -> str:
    rows = ["| calls | number | wire p50 | wire max | speech p50 | speech max | told gap max | dropped |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for name, was_lost in (("of the lost worker", True), ("of the others", False)):
        group = [each for each in outcomes if each.was_lost is was_lost]
        if group:
            rows.append(f"| {name} | {len(group)} | {_figures(group)} |")
    return "\n".join(rows)


def _figures(group: Sequence[Outcome]) -> str:
    wire, speech = [each.wire_s * 1000 for each in group], [each.speech_s * 1000 for each in group]
    told = max((gap["gap_ms"] for each in group for gap in each.record["rehomings"]), default=0)
    dropped = sum(each.record["end_reason"] != "caller_hung_up" for each in group)
    figures = (median(wire), max(wire), median(speech), max(speech), told)
    return " | ".join([*(f"{figure:.0f} ms" for figure in figures), str(dropped)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100, help="at most 250")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--loss", choices=LOSSES, default="kill")
    options = parser.parse_args()
    outcomes = asyncio.run(lose_a_worker(options.calls, options.workers, LOSSES[options.loss]))
    print(table(outcomes))
    dropped = any(each.record["end_reason"] != "caller_hung_up" for each in outcomes)
    worst_s = max(each.wire_s for each in outcomes)
    if dropped or worst_s > 1.0:
        raise SystemExit("calls were dropped" if dropped else f"a gap of {worst_s:.2f} s")


if __name__ == "__main__":
    main()
