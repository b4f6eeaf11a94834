"""The short way to a WebSocket beside the library's own, on both event loops, over TCP and TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from sipagent.backends.websocket_writer import MessageWriter
from tests.event_loop import turn

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Talk = Callable[[ClientConnection, ServerConnection], Awaitable[None]]
Contexts = tuple[ssl.SSLContext | None, ssl.SSLContext | None]


@pytest.fixture(scope="module")
def tls(certificate: tuple[Path, Path]) -> Contexts:
    """The server's and the client's side."""
    cert, key = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))


@asynccontextmanager
async def pair(contexts: Contexts) -> AsyncIterator[tuple[ClientConnection, ServerConnection]]:
    accepted: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def keep(connection: ServerConnection) -> None:
        accepted.put_nowait(connection)
        await connection.wait_closed()

    ours, theirs = contexts
    scheme = "ws" if theirs is None else "wss"
    async with serve(keep, "127.0.0.1", 0, ssl=ours, close_timeout=0.2) as server:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        options = {"compression": None, "ping_interval": None, "write_limit": 4096, "close_timeout": 0.2}
        async with connect(url, ssl=theirs, **options) as client:
            yield client, await accepted.get()


@pytest.fixture(params=[(loop, secure) for loop in LOOPS for secure in (False, True)], ids=str)
def talk(request: pytest.FixtureRequest, tls: Contexts) -> Callable[[Talk], None]:
    """Runs a conversation between the two ends of a connection."""
    loop, secure = request.param

    async def run(conversation: Talk) -> None:
        async with pair(tls if secure else (None, None)) as ends:
            await conversation(*ends)

    def talk(conversation: Talk) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(run(conversation))

    return talk


def test_messages_of_both_ways_arrive_whole_and_in_order(talk):
    async def conversation(client: ClientConnection, server: ServerConnection) -> None:
        writer, heard = MessageWriter(client), []
        for number in range(60):
            message = b"%05d" % number * (1 + number**2)  # up to 17 KB
            if number % 3 == 2 or not writer.write(message):
                await client.send(message, text=True)
            heard.append(message.decode())
            if number % 5 == 0:
                pong = await client.ping()
                assert heard == [await server.recv() for _ in heard]
                heard.clear()
                await pong
        assert heard == [await server.recv() for _ in heard]

    talk(conversation)


def test_a_ping_goes_between_messages_and_its_pong_disturbs_nobody(talk):
    async def conversation(client: ClientConnection, server: ServerConnection) -> None:
        writer = MessageWriter(client)
        for message in ("one", "two"):
            writer.ping()
            assert writer.write(message.encode())
            assert await server.recv() == message
        await server.send("three")
        assert await client.recv() == "three"
        await (await client.ping())

    talk(conversation)


def test_it_does_not_overtake_what_waits(talk):
    async def conversation(client: ClientConnection, server: ServerConnection) -> None:
        writer = MessageWriter(client)
        server.transport.pause_reading()
        written = 0
        while writer.write(b"x" * 4000):
            written += 1
            await turn()  # uvloop gives the kernel what was written only then
        assert client.transport.get_write_buffer_size() > 0
        waiting = asyncio.create_task(client.send(b"last", text=True))
        await turn()
        assert not writer.write(b"too early")
        server.transport.resume_reading()
        heard = [await server.recv() for _ in range(written + 1)]
        await waiting
        assert heard == ["x" * 4000] * written + ["last"]

    talk(conversation)


def test_no_data_follows_a_close_frame(talk):
    async def conversation(client: ClientConnection, server: ServerConnection) -> None:
        writer = MessageWriter(client)
        assert writer.write(b"before")
        closing = asyncio.create_task(client.close())
        await turn()
        while writer.write(b"after") and not closing.done():
            await turn()
        await closing
        assert writer.write(b"long after")
        assert await server.recv() == "before"
        with pytest.raises(ConnectionClosedOK):
            await server.recv()

    talk(conversation)


def test_a_connection_that_is_gone_takes_everything(talk):
    async def conversation(client: ClientConnection, server: ServerConnection) -> None:
        writer = MessageWriter(client)
        client.transport.abort()
        assert writer.write(b"one")
        with pytest.raises(ConnectionClosedError):
            await client.recv()
        assert writer.write(b"two")

    talk(conversation)


def test_a_peer_that_drops_the_connection_is_noticed_by_the_library(talk):
    async def conversation(client: ClientConnection, server: ServerConnection) -> None:
        writer = MessageWriter(client)
        losing = asyncio.create_task(client.recv())
        server.transport.abort()
        writer.write(b"anybody there")
        with pytest.raises(ConnectionClosedError):
            await losing

    talk(conversation)
