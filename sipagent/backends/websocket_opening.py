"""How a session over a WebSocket begins: the connection, the set-up of the session, and being turned away."""

from __future__ import annotations

import asyncio
import socket
import ssl
import urllib.request
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from sipagent.backends.base import BackendEvent, BackendLost, Endpoint, SessionReady, WireProtocol
from sipagent.errors import BackendError, BackendRefused, BackendUnreachable

#: Sessions that a process opens at once at one server; the rest wait in line. A server that lost hundreds,
#: all sent for again at that moment, is ready with each in time if they come one after the other, and with
#: none if they come side by side.
OPENINGS_AT_ONCE = 32
#: For the closing handshake.
CLOSE_TIMEOUT_S = 0.5
#: Servers are meant to speak first. One that doesn't gets our session.update after this long.
HELLO_TIMEOUT_S = 1.0
#: Bytes that may wait behind `SendQueue` unsent, in the process and again in the kernel: about a third of a
#: second of G.711. Bytes in flight are not limited by it.
UNSENT_BYTES = 4096
MAX_MESSAGE_BYTES = 16 * 2**20

#: 4xx answers that say "later" rather than "no".
_PASSING_STATUS = frozenset({408, 425, 429})
#: Close codes that say "no": bad data, policy, and the application's own range (4000 is OpenAI's for a
#: request of the wrong shape).
_REFUSING_CLOSES = frozenset({1003, 1007, 1008, *range(4000, 5000)})


class HeardConnection(ClientConnection):
    """Notes that the peer has sent something, be it but a pong."""

    was_heard = False

    def data_received(self, data: bytes) -> None:
        self.was_heard = True
        super().data_received(data)


_lines: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()


def line_to(endpoint: Endpoint) -> asyncio.Semaphore:
    """Held while a session is opened there."""
    server = urlsplit(endpoint.url).netloc
    line = _lines.get(server)
    if line is None:
        line = _lines[server] = asyncio.Semaphore(OPENINGS_AT_ONCE)
    return line


async def open_connection(endpoint: Endpoint) -> HeardConnection:
    """A connection without extensions. Raises `BackendUnreachable` or `BackendRefused`."""
    tls: dict[str, Any] = {"ssl": _trust()} if endpoint.url.startswith("wss:") else {}
    try:
        connection = await connect(
            endpoint.url,
            create_connection=HeardConnection,
            proxy=True if _has_proxies() else None,
            additional_headers=endpoint.headers,
            compression=None,
            open_timeout=None,  # the deadline of `open` counts
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_MESSAGE_BYTES,
            write_limit=UNSENT_BYTES,
            **tls,
        )
    except InvalidStatus as error:
        raise _refusal(error) from error
    except (OSError, EOFError, WebSocketException) as error:
        raise BackendUnreachable(f"can't connect: {error}", code=type(error).__name__) from error
    sock = connection.transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    assert isinstance(connection, HeardConnection)
    return connection


@cache
def _trust() -> ssl.SSLContext:
    """The system's certificates: to read them takes tens of milliseconds, in which no leg has audio."""
    return ssl.create_default_context()


@cache
def _has_proxies() -> bool:
    """Does the environment name any? To look costs half of what all the rest of a handshake does."""
    return bool(urllib.request.getproxies())


async def configure(protocol: WireProtocol, connection: ClientConnection) -> list[BackendEvent]:
    """Returns the events so far, `SessionReady` the last of them. Raises a `BackendError` if turned away."""
    try:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                protocol.receive_message(await connection.recv(decode=False))
        except TimeoutError:
            pass
        protocol.configure()
        events: list[BackendEvent] = []
        while True:
            while (event := protocol.next_event()) is not None:
                events.append(event)
                if isinstance(event, SessionReady):
                    return events
                if isinstance(event, BackendLost):
                    error = BackendRefused if event.fatal else BackendUnreachable
                    raise error(event.message, code=event.code, fatal=event.fatal)
            for message in protocol.messages_to_send():
                await connection.send(message, text=True)
            protocol.receive_message(await connection.recv(decode=False))
    except ConnectionClosed as closed:
        raise _closed_early(closed) from closed


def close_of(closed: ConnectionClosed) -> tuple[int, str]:
    """Code and reason: the server's, if it gave any."""
    if closed.rcvd is not None:
        return closed.rcvd.code, closed.rcvd.reason
    return CloseCode.ABNORMAL_CLOSURE, "" if closed.sent is None else closed.sent.reason


def _refusal(error: InvalidStatus) -> BackendError:
    status = error.response.status_code
    body = bytes(error.response.body or b"").decode(errors="replace")[:200]
    message = f"HTTP {status} {body}".strip()
    if 400 <= status < 500 and status not in _PASSING_STATUS:
        return BackendRefused(message, code=str(status), fatal=True)
    return BackendUnreachable(message, code=str(status))


def _closed_early(closed: ConnectionClosed) -> BackendError:
    code, reason = close_of(closed)
    message = f"closed before it was ready: {code} {reason}".strip()
    if code in _REFUSING_CLOSES:
        return BackendRefused(message, code=str(code), fatal=True)
    return BackendUnreachable(message, code=str(code))
