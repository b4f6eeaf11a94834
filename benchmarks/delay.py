"""What the server adds to the delay of audio, measured on the wire of loopback, by the clock of its peers.

`python -m benchmarks.delay` (or `make delay`) prints the table that docs/delay.md keeps. The caller is this
process and the simulated Realtime server another one; both read CLOCK_MONOTONIC. A caller's packet counts
from before its `sendto` to after the model's process has received the message; the agent's audio from before
the model's `send` to after the caller has received its first packet. The peers' own time to wake up is in it.
"""

import asyncio
import contextlib
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from sipagent.formats import CODECS
from sipagent.simulator import voice
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import SIPAGENT, Server, running
from tests.e2e.support.setup import HOST, write_setup

RUNS = 5
SPEECH_S = 10
GREETINGS = 40
AT_ONCE = 4
PERCENTILES = (50, 95, 99, 100)
RTP_PAIRS = 2 * GREETINGS
GREETING_MS = 200
REPLY_DELAY_MS = 400
"""Long enough for the call to be answered before the agent speaks."""
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}
TO_BACKEND, TO_WIRE = (99, 5.0), (99, 20.0)
"""Which percentile is held to how many ms."""


@dataclass(frozen=True)
class Samples:
    """Delays in ms, of one run."""

    to_backend: list[float]
    to_wire: list[float]


class Calls:
    """The calls of one run: a long one for the caller's packets, many short ones for the agent's first."""

    def __init__(self) -> None:
        self._long: list[Phone] = []
        self._short: list[Phone] = []

    async def hold(self, server: Server) -> None:
        said = voice.pattern(1, 1000 * SPEECH_S, CODECS["PCMU"])
        async with call(server.setup, speech=said) as phone:
            self._long.append(phone)
            ends_at = phone.talking_since + SPEECH_S
            await phone.hear(lambda: time.monotonic() >= ends_at, within_s=SPEECH_S + 5)
            await phone.hang_up()
        for _ in range(GREETINGS // AT_ONCE):
            await self._hear_greetings(server)
        await server.next_records(1 + GREETINGS)

    async def _hear_greetings(self, server: Server) -> None:
        async with contextlib.AsyncExitStack() as stack:
            phones = [await stack.enter_async_context(call(server.setup)) for _ in range(AT_ONCE)]
            for phone in phones:
                await phone.hear_speech(GREETING_MS)
                await phone.hang_up()
        self._short += phones

    def samples(self, sessions: "Iterator[Session]") -> Samples:
        """`sessions` are what the model saw of the calls, in their order; this takes its part of them."""
        to_backend = [
            1000 * (at - sent_at)
            for phone in self._long
            for sent_at, at in zip(phone.sent_at, next(sessions).appended_at, strict=False)
        ]
        to_wire = [
            1000 * (phone.frames_of_speech()[0].at - next(sessions).spoken_from) for phone in self._short
        ]
        return Samples(to_backend, to_wire)


class Session:
    """What the model's process wrote of a session, in which every packet of the caller became a message."""

    def __init__(self, log: Path) -> None:
        entries = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
        self.began = entries[0]["at"]
        self.appended_at = [at for at, size in _timed(entries, "input_audio_buffer.append", "audio")]
        self.spoken_from = _timed(entries, "response.output_audio.delta", "delta")[0][0]


def all_sessions(directory: Path) -> list[Session]:
    """In the order of their beginning."""
    return sorted(map(Session, directory.glob("sessions/*.jsonl")), key=lambda session: session.began)


def _timed(entries: list[Any], kind: str, size: str) -> list[tuple[float, int]]:
    return [(entry["at"], entry["event"][size]) for entry in entries if entry["event"].get("type") == kind]


@contextlib.asynccontextmanager
async def model(directory: Path) -> AsyncIterator[str]:
    """The URL of a simulated Realtime server in its own process, which at its end has written all it saw."""
    port, script = free_port(), directory / "script.yaml"
    turns = [{"heard": "pattern", "reply": [{"pattern_ms": GREETING_MS, "number": 2}]}]
    script.write_text(yaml.safe_dump({"turns": turns, "obedient": False, "reply_delay_ms": REPLY_DELAY_MS}))
    process = await asyncio.create_subprocess_exec(
        *(SIPAGENT, "simulate", "realtime", "--port", str(port), "--script", script),
        *("--record-dir", directory / "sessions"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            await process.stdout.readline()
        yield f"ws://{HOST}:{port}/v1/realtime"
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()


async def measure() -> list[Samples]:
    """All runs, on one server."""
    runs = [Calls() for _ in range(RUNS)]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with model(directory) as url:
            backend = {"kind": "openai_realtime", "url": url, "extra_session": NO_TURNS}
            agent = {"greeting": "Hello", "backend": backend}
            setup = write_setup(
                directory / "server", url, agent=agent, rtp_pairs=RTP_PAIRS, logging={"level": "info"}
            )
            async with running(setup) as server:
                for run in runs:
                    await run.hold(server)
        in_order = iter(all_sessions(directory))
    return [run.samples(in_order) for run in runs]


def row(name: str, runs: list[list[float]], target: tuple[int, float]) -> tuple[bool, list[str]]:
    """Whether the target is held, and a row of the table."""
    percent, target_ms = target
    reached = statistics.median(float(np.percentile(run, percent)) for run in runs)
    medians = [statistics.median(float(np.percentile(run, each)) for run in runs) for each in PERCENTILES]
    spread = ", ".join(f"{np.percentile(run, 99):.1f}" for run in runs)
    held = reached <= target_ms
    cells = [f"{each:.1f}" for each in medians]
    return held, [name, *cells, spread, f"p{percent} {target_ms:g}", "yes" if held else "no"]


def main() -> int:
    runs = asyncio.run(measure())
    table = Table(box=box.MARKDOWN)
    table.add_column("ms, median of runs")
    for heading in ("p50", "p95", "p99", "max", "p99 of each run", "target", "held"):
        table.add_column(heading, justify="right")
    rows = (
        row("caller's packet to backend message", [run.to_backend for run in runs], TO_BACKEND),
        row("backend audio to first RTP packet", [run.to_wire for run in runs], TO_WIRE),
    )
    for _, cells in rows:
        table.add_row(*cells)
    Console(width=140).print(table)
    return 0 if all(held for held, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
