"""Both ends of a WebSocket of a test: a backend whose events are collected, and servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from websockets.asyncio.server import ServerConnection, serve

from sipagent.backends.base import BackendEvent
from sipagent.backends.factory import create_backend
from sipagent.backends.websocket import WebSocketBackend
from sipagent.config import AgentConfig
from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import PATTERN_SCRIPT, Faults, RealtimeOptions
from sipagent.simulator.realtime_server import RealtimeServer

#: 20 ms of audio.
FRAME = b"\x55" * 160
Kind = TypeVar("Kind", bound=BackendEvent)


class Listener:
    """Collects a backend's events, and waits for the first of a kind."""

    def __init__(self) -> None:
        self.events: list[BackendEvent] = []
        self._news = asyncio.Event()

    def __call__(self, event: BackendEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def wait_for(self, kind: type[Kind]) -> Kind:
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    return event
            self._news.clear()
            await self._news.wait()


def backend_for(url: str, **options: int) -> WebSocketBackend:
    backend = {"kind": "openai_realtime", "url": url, "ready_deadline_ms": 2000, **options}
    created = create_backend(AgentConfig.model_validate({"name": "test", "backend": backend}), ULAW)
    assert isinstance(created, WebSocketBackend)
    return created


def simulated(**faults: object) -> RealtimeServer:
    options = RealtimeOptions(script=PATTERN_SCRIPT, reply_delay_ms=0, faults=Faults(**faults))
    return RealtimeServer(options)


@asynccontextmanager
async def connected(
    server: RealtimeServer, **options: int
) -> AsyncIterator[tuple[WebSocketBackend, Listener]]:
    async with server:
        backend, listener = backend_for(server.url, **options), Listener()
        await backend.open(listener)
        try:
            yield backend, listener
        finally:
            await backend.close()


@asynccontextmanager
async def scripted(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """The URL of a server that does with each connection what the handler does."""
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"ws://{host}:{port}/"


@asynccontextmanager
async def stalled() -> AsyncIterator[tuple[WebSocketBackend, Listener]]:
    """Connected to a server that neither reads nor answers any more."""
    async with connected(server := simulated()) as ends:
        (session,) = server.sessions
        session.stall()
        try:
            yield ends
        finally:
            session.drop()  # or both ends would wait for its part of the closing handshake


def choke(backend: WebSocketBackend) -> None:
    """Fill every buffer between us and a server that doesn't read, until a frame finds no room."""
    while not backend.counters()["dropped_ms"]:  # until then the kernel took it, or half a second waited
        backend.send_audio(FRAME)


def backend_tasks() -> list[asyncio.Task[object]]:
    """What a backend that is gone must not leave behind."""
    return [task for task in asyncio.all_tasks() if "WebSocketBackend" in repr(task.get_coro())]
