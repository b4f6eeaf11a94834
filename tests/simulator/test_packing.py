"""Messages that are there together go out at once, and come in one by one."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from sipagent.simulator.realtime_packing import PackingConnection

TEXTS = ["first", "", "a" * 70_000, "last"]


async def test_messages_go_out_in_one_write_and_in_order() -> None:
    writes: list[int] = []

    async def talk(connection: ServerConnection) -> None:
        assert isinstance(connection, PackingConnection)
        with patch.object(connection.transport, "write", wraps=connection.transport.write) as write:
            await connection.send_texts(text.encode() for text in TEXTS)
        writes.append(write.call_count)

    async with (
        serve(talk, "127.0.0.1", 0, create_connection=PackingConnection) as server,
        connect(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}") as client,
    ):
        assert [await client.recv() for _ in TEXTS] == TEXTS
    assert writes == [1]


async def test_a_connection_that_is_closed_says_so() -> None:
    told = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        assert isinstance(connection, PackingConnection)
        await connection.wait_closed()
        with pytest.raises(ConnectionClosed):
            await connection.send_texts([b"nobody hears this"])
        told.set()

    async with serve(talk, "127.0.0.1", 0, create_connection=PackingConnection) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}"):
            pass
        async with asyncio.timeout(5):
            await told.wait()
