"""An HTTP server for tools to call: it answers as it is told, and keeps what came."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer, and when. `released` holds it back until it is set."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    released: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came, and when (CLOCK_MONOTONIC)."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def arguments(self) -> Any:
        return json.loads(self.body)


class ToolServer:
    """`answers` are used up in order, the last one again and again.

    Connections end with their answer, so that none is left when a server is looked at for what it holds.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.answers: deque[Answer] = deque([Answer({"status": "fine"})])

    def will(self, *answers: Answer) -> None:
        self.answers = deque(answers)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        self.asked.append(
            Asked(
                time.monotonic(),
                request.method,
                request.scope["raw_path"].decode(),
                dict(request.query_params),
                dict(request.headers),
                await request.body(),
            )
        )
        await asyncio.sleep(answer.delay_s)
        if answer.released is not None:
            await answer.released.wait()
        kind = {"content-type": "application/json", "connection": "close"} | answer.headers
        await Response(json.dumps(answer.body), answer.status, kind)(scope, receive, send)


@contextlib.asynccontextmanager
async def tool_server() -> AsyncIterator[ToolServer]:
    """One that is listening at its `url`."""
    tools = ToolServer()
    config = uvicorn.Config(tools, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tools.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving = asyncio.create_task(server._serve(sockets=[listening]))
        try:
            yield tools
        finally:
            server.should_exit = server.force_exit = True
            await serving
