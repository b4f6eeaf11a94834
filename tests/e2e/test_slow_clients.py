"""HTTP clients that say nothing, or half of it, or too much: others are served, and nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from sipagent.api.patience import MOST_CONNECTIONS, REQUEST_S
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import processes
from tests.e2e.support.api import Api, api_section, set_tokens
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import HOST
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-More: "
HALF_A_BODY = b"POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
SECOND_HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal"
ENDLESS_HEAD = b"GET /healthz HTTP/1.1\r\nX-More: " + b"x" * 300_000


@contextlib.contextmanager
def clients(server: Server, says: bytes, count: int = 20) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection((HOST, server.setup.http_port), timeout=5))
            with contextlib.suppress(OSError):  # hung up on in mid-sentence
                client.sendall(says)
        yield


def connected(server: Server) -> int:
    return processes.connections(server.process.pid, {server.setup.http_port})


async def test_half_a_request(setup: SetupFactory) -> None:
    async with running(setup(None)) as server:
        with contextlib.ExitStack() as stack:
            for says in (b"", HALF_A_HEAD, HALF_A_BODY, SECOND_HALF):
                stack.enter_context(clients(server, says))
            assert (await server.get("/healthz")).status_code == 200
            await eventually(lambda: not connected(server), "they are closed", within_s=REQUEST_S + 10)


async def test_a_head_without_end_and_more_clients_than_are_taken(setup: SetupFactory) -> None:
    async with running(setup(None)) as server:
        with clients(server, ENDLESS_HEAD):
            await eventually(lambda: not connected(server), "they are closed", within_s=5)
        with clients(server, b"", MOST_CONNECTIONS + 50):
            await eventually(lambda: connected(server) == MOST_CONNECTIONS, "no more than that")
        await eventually(lambda: not connected(server), "they are gone")
        assert (await server.get("/healthz")).status_code == 200


async def test_a_listener_may_stay_longer_than_a_request(
    setup: SetupFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_tokens(monkeypatch)
    made = setup(None, api=api_section())
    async with running(made, spare_threads=4), Api(made).listening("/v1/events") as ear:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ear.closed(), REQUEST_S + 2)
