"""A TCP proxy that delivers everything late, as a distant model's server does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65536


@contextlib.asynccontextmanager
async def delayed(url: str, delay_s: float) -> AsyncIterator[str]:
    """The URL of a proxy in front of `url` that adds `delay_s` each way."""
    target = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(_carry(reader, onward_writer, delay_s), _carry(onward_reader, writer, delay_s))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        host, port = proxy.sockets[0].getsockname()
        yield urlunsplit(target._replace(netloc=f"{host}:{port}"))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Bytes keep their order: each chunk is written its delay after it came, whatever came since."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)
