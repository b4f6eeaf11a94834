"""Kamailio as the provider that a trunk registers with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.e2e.support.ports import free_port
from tests.e2e.support.waiting import PATIENCE_S

CONFIG = Path(__file__).with_name("registrar-proxy.cfg")
USER, PASSWORD = "alice", "right-password"


class Kamailio:
    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process

    async def logged(self, wanted: str, within_s: float = PATIENCE_S) -> str:
        """The next line of its log that contains `wanted`."""
        assert self._process.stderr is not None
        async with asyncio.timeout(within_s):
            while line := (await self._process.stderr.readline()).decode():
                if wanted in line:
                    return line
        raise AssertionError(f"kamailio ended before it logged {wanted!r}")


@contextlib.asynccontextmanager
async def kamailio(directory: Path, port: int | None = None) -> AsyncIterator[Kamailio]:
    port = port or free_port()
    process = await asyncio.create_subprocess_exec(
        *("kamailio", "-f", CONFIG, "-A", f"LISTEN=udp:127.0.0.1:{port}"),
        *("-m", "32", "-M", "4", "-Y", directory, "-P", directory / "kamailio.pid", "-DD"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Kamailio(process, port)
    finally:
        process.terminate()
        await process.communicate()
