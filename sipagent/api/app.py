"""The HTTP face: health, readiness and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST

from sipagent.config import HostPort


def build(readiness: Callable[[], Mapping[str, bool]], exposition: Callable[[], bytes]) -> FastAPI:
    """`readiness` names the conditions for taking calls; `exposition` is the text of `/metrics`."""
    app = FastAPI(title="sipagent", docs_url=None, redoc_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process lives and its loop turns."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, object]:
        """200 if a call would be taken now, else 503; the body says what is missing."""
        conditions = dict(readiness())
        ready = all(conditions.values())
        response.status_code = 200 if ready else 503
        return {"ready": ready, "conditions": conditions}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return app


class HttpServer:
    """uvicorn on the running loop, with our own signal handling left alone."""

    def __init__(self, app: FastAPI, listen: HostPort) -> None:
        self._listen = listen
        self._server = _QuietServer(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises OSError if the address can't be bound."""
        family = socket.AF_INET6 if ":" in self._listen.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self._listen.host, self._listen.port))
            sock.listen()  # from here on a client waits for uvicorn instead of being refused
        except OSError:
            sock.close()
            raise
        self._task = asyncio.create_task(self._server.serve([sock]), name="http")

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
