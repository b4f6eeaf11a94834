"""The short way to a WebSocket, for a message that can go out at once: 50 of them a second in every call."""

from __future__ import annotations

from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

from sipagent.backends.websocket_frame import mask_keys, ping_frame, text_frame


class MessageWriter:
    """Writes text messages to a connection past its `send`, which costs several times as much.

    The connection must be without extensions, and nobody may send it a message in fragments. All else stays
    the library's. Its debug log doesn't show what is written here.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._protocol = connection.protocol
        self._keys = mask_keys()
        self._unsent_bytes = connection.transport.get_write_buffer_size
        self._write = connection.transport.write

    def write(self, message: bytes) -> bool:
        """Never blocks. False if bytes wait to be sent before it, so that it would have to wait as well.

        One for a connection that is closing is dropped: data frames may not follow a close frame (RFC 6455,
        5.5.1).
        """
        if self._unsent_bytes():
            return False
        if self._protocol.state is State.OPEN:
            self._write(text_frame(message, next(self._keys)))
        return True

    def ping(self) -> None:
        """Ask the peer for a sign of life. Its pong is one that the library awaits nowhere, and drops."""
        if self._protocol.state is State.OPEN:
            self._write(ping_frame(next(self._keys)))
