"""How a session begins, against servers on loopback that behave, refuse, or say nothing."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from sipagent.backends import websocket_opening
from sipagent.backends.base import SessionReady
from sipagent.errors import BackendNotReady, BackendRefused, BackendUnreachable
from tests.backends.websocket_rig import Listener, backend_for, backend_tasks, connected, scripted, simulated


async def test_opens_when_the_session_is_configured():
    async with connected(simulated()) as (_, listener):
        (ready,) = listener.events
        assert isinstance(ready, SessionReady)
        assert ready.session_id.startswith("sess_")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BackendRefused),
        (401, BackendRefused),
        (403, BackendRefused),
        (404, BackendRefused),
        (429, BackendUnreachable),
        (500, BackendUnreachable),
        (503, BackendUnreachable),
    ],
)
async def test_refused_by_http_status(status, error):
    async with simulated(refuse_status=status) as server:
        with pytest.raises(error) as raised:
            await backend_for(server.url).open(Listener())
    assert raised.value.code == str(status)


async def test_nobody_listens(unused_tcp_port):
    with pytest.raises(BackendUnreachable):
        await backend_for(f"ws://127.0.0.1:{unused_tcp_port}/").open(Listener())


@pytest.fixture
def trusts_anew() -> Iterator[None]:
    """What a process remembers of certificates is forgotten, before and after."""
    websocket_opening._trust.cache_clear()
    yield
    websocket_opening._trust.cache_clear()


async def test_certificates_are_checked_and_read_once(tmp_path, monkeypatch, trusts_anew, certificate):
    async def hang_up(connection: ServerConnection) -> None:
        await connection.close(4000, "goodbye")

    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(*certificate)
    trusted = Path(shutil.copy(certificate[0], tmp_path))
    async with serve(hang_up, "127.0.0.1", 0, ssl=ours, close_timeout=0.1) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(BackendUnreachable, match="self-signed certificate"):
            await backend_for(url).open(Listener())

        websocket_opening._trust.cache_clear()
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with pytest.raises(BackendRefused, match="goodbye"):
            await backend_for(url).open(Listener())
        trusted.unlink()
        with pytest.raises(BackendRefused, match="goodbye"):
            await backend_for(url).open(Listener())


@pytest.mark.parametrize("never_created", [True, False])
async def test_never_ready(never_created, monkeypatch):
    monkeypatch.setattr(websocket_opening, "HELLO_TIMEOUT_S", 0.01)
    listener = Listener()
    async with simulated(never_created=never_created, never_ready=True) as server:
        with pytest.raises(BackendNotReady):
            await backend_for(server.url, ready_deadline_ms=100).open(listener)
    assert listener.events == []


async def test_a_server_that_does_not_speak_first_is_asked_all_the_same(monkeypatch):
    monkeypatch.setattr(websocket_opening, "HELLO_TIMEOUT_S", 0.01)
    async with connected(simulated(never_created=True)) as (_, listener):
        assert isinstance(listener.events[0], SessionReady)


async def test_a_handshake_that_never_ends_is_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        with pytest.raises(BackendUnreachable):
            await backend_for(f"ws://{host}:{port}/", ready_deadline_ms=100).open(Listener())


@pytest.mark.parametrize(
    ("code", "error"),
    [(1000, BackendUnreachable), (1011, BackendUnreachable), (1008, BackendRefused), (4000, BackendRefused)],
)
async def test_closed_before_ready(code, error):
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, "no")

    async with scripted(close) as url:
        with pytest.raises(error) as raised:
            await backend_for(url).open(Listener())
    assert raised.value.code == str(code)


@pytest.mark.parametrize(
    ("code", "error"), [("invalid_api_key", BackendRefused), ("server_error", BackendUnreachable)]
)
async def test_an_error_event_before_ready(code, error):
    async def complain(connection: ServerConnection) -> None:
        await connection.send(f'{{"type":"error","error":{{"type":"x","code":"{code}","message":"m"}}}}')
        await connection.wait_closed()

    async with scripted(complain) as url:
        with pytest.raises(error) as raised:
            await backend_for(url).open(Listener())
    assert raised.value.code == code


async def test_cancelling_open_leaves_nothing():
    arrived, left = asyncio.Event(), asyncio.Event()

    async def say_nothing(connection: ServerConnection) -> None:
        arrived.set()
        await connection.wait_closed()
        left.set()

    async with scripted(say_nothing) as url:
        opening = asyncio.create_task(backend_for(url).open(Listener()))
        await arrived.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await left.wait()
    assert backend_tasks() == []
