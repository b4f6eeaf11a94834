"""The yardstick: what a call costs a loop in C that receives, answers and forwards its packets (floor.c)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.compiled import built
from benchmarks.load.peers import SOCKETS, peers
from benchmarks.load.track import callers_track
from tests.e2e.support.setup import HOST

SOURCE = Path(__file__).with_name("floor.c")
PACKETS_PER_S = 50
SPARE = 0.05


async def measure(directory: Path, calls: int, seconds: float) -> float:
    """Percent of a core for each of so many calls. Raises RuntimeError if their packets didn't all come."""
    track = directory / "track"
    track.write_bytes(await asyncio.to_thread(callers_track))
    async with peers(HOST, track) as far:
        where = (HOST, str(far.ports[0]), str(SOCKETS))
        process = await asyncio.create_subprocess_exec(
            *(built(SOURCE), *where, str(calls), str(seconds)), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the floor's program ended with {process.returncode}")
    percent, packets_per_s = map(float, told.split())
    if abs(packets_per_s / PACKETS_PER_S - 1) > SPARE:
        raise RuntimeError(f"{packets_per_s:.1f} packets a second came for each call of the floor")
    return percent
