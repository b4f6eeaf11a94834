"""A real HTTP receiver of webhooks, which verifies what comes as any receiver would."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True, slots=True)
class Received:
    """One request whose signature was good."""

    id: str
    type: str
    data: dict[str, Any]
    status: int

    @property
    def call_id(self) -> str:
        return str(self.data["call"]["call_id"])


class Receiver:
    """Answers with what `decide` says of a message; None: not at all. `taken` are those with 2xx."""

    def __init__(self, port: int = 0) -> None:
        self.received: list[Received] = []
        self.decide: Callable[[Received], int | None] = lambda message: 204
        self.headers = ""
        self._port = port
        self._news = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._hanging: set[asyncio.StreamWriter] = set()

    @property
    def taken(self) -> list[Received]:
        return [message for message in self.received if message.status < 300]

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone: connections are refused from now on."""
        if self._server is not None:
            self._server.close()
        for writer in self._hanging:
            writer.close()

    async def until(self, enough: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
        """Asked after every message."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(enough)
        except TimeoutError:
            seen = [(message.type, message.status) for message in self.received]
            raise AssertionError(f"not within {within_s:g} s: {what}; received: {seen}") from None

    async def has_taken(self, *types: str, within_s: float = 20.0) -> None:
        """One of each at least."""
        wanted = set(types)
        await self.until(
            lambda: wanted <= {message.type for message in self.taken}, f"{sorted(wanted)}", within_s
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hanging.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        self._hanging.discard(writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in fields}
        body = await reader.readexactly(int(headers["content-length"]))
        Webhook(SECRET).verify(body, headers)
        content = json.loads(body)
        draft = Received(headers["webhook-id"], content["type"], content["data"], 0)
        status = self.decide(draft)
        if status is None:
            await reader.read()
            return False
        received = Received(draft.id, draft.type, draft.data, status)
        length = 0 if status == 204 else 2
        answer = f"HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{self.headers}\r\n{'ok'[:length]}"
        writer.write(answer.encode())
        await writer.drain()
        async with self._news:
            self.received.append(received)
            self._news.notify_all()
        return True


@contextlib.asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    receiver = Receiver(port)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()
