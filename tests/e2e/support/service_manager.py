"""The service manager's end of sd_notify(3): a socket, and what came in on it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.support.waiting import PATIENCE_S

Message = dict[str, str]


@dataclass
class Manager(asyncio.DatagramProtocol):
    """`environment` is what a server is started with, as `env` takes it."""

    path: str
    environment: list[str]
    messages: list[Message] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.messages.append(dict(line.split("=", 1) for line in data.decode().splitlines()))
        self._news.set()

    async def wait_for(self, name: str, value: str = "", within_s: float = PATIENCE_S) -> Message:
        """The first message since `forget` that assigns `name`, to something that holds `value`."""
        async with asyncio.timeout(within_s):
            while not (found := [each for each in self.messages if name in each and value in each[name]]):
                self._news.clear()
                await self._news.wait()
        return found[0]

    async def catch_up(self) -> None:
        """Returns when all that had been sent before was read."""
        mark = secrets.token_hex(4)
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
            sock.sendto(f"X_MARK={mark}".encode(), self.path)
        await self.wait_for("X_MARK", mark)

    def forget(self) -> None:
        self.messages.clear()


@contextlib.asynccontextmanager
async def service_manager(directory: Path, watchdog_s: float) -> AsyncIterator[Manager]:
    path = directory / "notify"
    environment = [f"NOTIFY_SOCKET={path}", f"WATCHDOG_USEC={watchdog_s * 1e6:.0f}"]
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    sock.setblocking(False)
    manager = Manager(str(path), environment)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: manager, sock=sock)
    try:
        yield manager
    finally:
        transport.close()
