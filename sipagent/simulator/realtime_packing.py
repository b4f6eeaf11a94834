"""A WebSocket connection that writes messages which are there together at once.

Under load a write costs more than the making of most messages, here and where they are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from websockets.asyncio.server import ServerConnection


class PackingConnection(ServerConnection):
    """For one sender alone, which sends no message in fragments."""

    async def send_texts(self, texts: Iterable[bytes]) -> None:
        """Send text messages, each in a frame of its own. Raises ConnectionClosed."""
        async with self.send_context():
            for text in texts:
                self.protocol.send_text(text)
            self.transport.write(b"".join(self.protocol.data_to_send()))

    def read_no_more(self) -> None:
        """Leave what comes unread, for good."""
        self.transport.pause_reading()
