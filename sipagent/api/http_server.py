"""uvicorn on the server's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from sipagent.api.patience import PatientProtocol
from sipagent.config import HttpConfig

#: How long requests that are on may take when the server stops; WebSockets are closed.
GOODBYE_S = 2
REFUSED_WEBSOCKET = "ASGI callable returned without completing handshake."
#: Listeners have nothing to say to us.
MOST_WEBSOCKET_BYTES = 4096


class HttpServer:
    """uvicorn on the running loop, with our own signal handling left alone."""

    def __init__(self, app: FastAPI, config: HttpConfig) -> None:
        tls = config.tls
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        self._listen = config.listen
        self._server = _QuietServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                http=PatientProtocol,
                ws="websockets-sansio",
                ws_max_size=MOST_WEBSOCKET_BYTES,
                timeout_graceful_shutdown=GOODBYE_S,
                ssl_certfile=str(tls.certificate_file) if tls else None,
                ssl_keyfile=str(tls.key_file) if tls else None,
            )
        )
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


def _is_news(record: logging.LogRecord) -> bool:
    """A WebSocket that we refused is no error, though uvicorn (0.54) takes it for one."""
    return record.msg != REFUSED_WEBSOCKET


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
