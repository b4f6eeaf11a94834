"""HTTP for clients that mean it: what uvicorn leaves open, namely how long a request may take to arrive."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: From its first byte, or from the connection, to its last.
REQUEST_S = 10.0
#: Whoever comes when so many are connected finds the connection closed; far more than APIs and scrapers need.
MOST_CONNECTIONS = 500

_ARRIVING = (h11.IDLE, h11.SEND_BODY)


class PatientProtocol(H11Protocol):
    """Closes connections over which no request arrives, or none to its end, within `REQUEST_S`.

    Between requests uvicorn's own `timeout_keep_alive` counts; WebSockets may stay.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._deadline = self.loop.call_later(REQUEST_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        is_websocket = self.transport.get_protocol() is not self
        if is_websocket or self.conn.their_state not in _ARRIVING:
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
