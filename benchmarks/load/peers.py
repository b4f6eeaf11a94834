"""The media of all callers: the process of rtp_peers.c, built when it is older than its source."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.compiled import built
from benchmarks.load.measures import Second
from tests.e2e.support.ports import free_ports

SOURCE = Path(__file__).with_name("rtp_peers.c")
SOCKETS = 4


class Peers:
    """`ports` are those to name in SDP, `seconds` all that was told so far."""

    def __init__(self, process: asyncio.subprocess.Process, ports: Sequence[int]) -> None:
        self.ports = ports
        self.pid = process.pid
        self.seconds: list[Second] = []
        self._process = process

    async def follow(self) -> None:
        """Read what it tells until its end."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.seconds.append(msgspec.json.decode(line, type=Second))


@contextlib.asynccontextmanager
async def peers(host: str, track: Path) -> AsyncIterator[Peers]:
    """Peers that send `track`, see `benchmarks.load.track`, to whoever sends to one of their ports."""
    program = built(SOURCE)
    ports = free_ports(2 * SOCKETS, host)
    process = await asyncio.create_subprocess_exec(
        *(program, host, str(ports[0]), str(SOCKETS), track), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        if not await process.stdout.readline():
            raise RuntimeError(f"{program.name} did not start")
        told = Peers(process, ports[::2])
        async with asyncio.TaskGroup() as group:
            following = group.create_task(told.follow())
            yield told
            following.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
