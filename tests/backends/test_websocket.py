"""The WebSocket shell against servers on loopback that behave, refuse, stall and vanish."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from websockets.asyncio.server import ServerConnection, serve

from sipagent.backends import websocket, websocket_opening
from sipagent.backends.base import AudioReceived, BackendEvent, BackendLost, CallerSpeechStarted, SessionReady
from sipagent.backends.factory import create_backend
from sipagent.config import AgentConfig
from sipagent.errors import BackendNotReady, BackendRefused, BackendUnreachable
from sipagent.formats import ULAW
from sipagent.simulator import voice
from sipagent.simulator.realtime_options import PATTERN_SCRIPT, Faults, RealtimeOptions
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.support.certificates import certificate

SPEECH = voice.tone(300, 400, ULAW)
Kind = TypeVar("Kind", bound=BackendEvent)


class Listener:
    """Collects a backend's events, and waits for the first of a kind."""

    def __init__(self) -> None:
        self.events: list[BackendEvent] = []
        self._news = asyncio.Event()

    def __call__(self, event: BackendEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def wait_for(self, kind: type[Kind]) -> Kind:
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    return event
            self._news.clear()
            await self._news.wait()


def backend_for(url: str, **options: int) -> websocket.WebSocketBackend:
    backend = {"kind": "openai_realtime", "url": url, "ready_deadline_ms": 2000, **options}
    created = create_backend(AgentConfig.model_validate({"name": "test", "backend": backend}), ULAW)
    assert isinstance(created, websocket.WebSocketBackend)
    return created


def simulated(**faults: object) -> RealtimeServer:
    options = RealtimeOptions(script=PATTERN_SCRIPT, reply_delay_ms=0, faults=Faults(**faults))
    return RealtimeServer(options)


@asynccontextmanager
async def connected(
    server: RealtimeServer, **options: int
) -> AsyncIterator[tuple[websocket.WebSocketBackend, Listener]]:
    async with server:
        backend, listener = backend_for(server.url, **options), Listener()
        await backend.open(listener)
        try:
            yield backend, listener
        finally:
            await backend.close()


@asynccontextmanager
async def scripted(handler: Callable[[ServerConnection], object]) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1) as server:  # type: ignore[arg-type]
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"ws://{host}:{port}/"


# --- opening


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


async def test_certificates_are_checked_and_read_once(tmp_path, monkeypatch, trusts_anew):
    async def hang_up(connection: ServerConnection) -> None:
        await connection.close(4000, "goodbye")

    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert, key = certificate(tmp_path, "127.0.0.1")
    ours.load_cert_chain(cert, key)
    async with serve(hang_up, "127.0.0.1", 0, ssl=ours, close_timeout=0.1) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(BackendUnreachable, match="self-signed certificate"):
            await backend_for(url).open(Listener())

        websocket_opening._trust.cache_clear()
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        with pytest.raises(BackendRefused, match="goodbye"):
            await backend_for(url).open(Listener())
        cert.unlink()
        with pytest.raises(BackendRefused, match="goodbye"):
            await backend_for(url).open(Listener())


@pytest.mark.parametrize("never_created", [True, False])
async def test_never_ready(never_created, monkeypatch):
    monkeypatch.setattr(websocket_opening, "HELLO_TIMEOUT_S", 0.05)
    listener = Listener()
    async with simulated(never_created=never_created, never_ready=True) as server:
        with pytest.raises(BackendNotReady):
            await backend_for(server.url, ready_deadline_ms=150).open(listener)
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


# --- talking


async def test_audio_flows_both_ways_unchanged():
    async with connected(server := simulated()) as (backend, listener):
        spoken = SPEECH + b"\xff" * 8000
        for start in range(0, len(spoken), 160):
            backend.send_audio(spoken[start : start + 160])
            await asyncio.sleep(0)  # as a call would, frame by frame
        await listener.wait_for(CallerSpeechStarted)
        await listener.wait_for(AudioReceived)
        heard = b"".join(event.audio for event in listener.events if isinstance(event, AudioReceived))
        assert backend.counters()["dropped_ms"] == 0
    assert voice.pattern(1, 4000, ULAW).startswith(heard)
    assert bytes(server.sessions[0].log.caller_audio) == spoken


async def test_control_messages_go_out():
    async with connected(server := simulated()) as (backend, listener):
        backend.send_digit("7")
        first = await listener.wait_for(AudioReceived)
        backend.interrupt(first.item_id, 0, 100)
        (session,) = server.sessions
        while not session.log.events("out", "conversation.item.truncated"):
            await asyncio.sleep(0)
        (truncated,) = session.log.events("out", "conversation.item.truncated")
    assert (truncated["item_id"], truncated["audio_end_ms"]) == (first.item_id, 100)


async def test_a_stalled_server_costs_old_audio_and_nothing_else():
    async with connected(server := simulated()) as (backend, _):
        server.sessions[0].stall()
        while not backend.counters()["dropped_ms"]:  # until then the kernel took it, or half a second waited
            backend.send_audio(b"\x55" * 160)
        for _ in range(50):
            backend.send_audio(b"\x55" * 160)
        assert backend.counters()["dropped_ms"] == 20 + 1000


async def test_a_message_carries_as_much_audio_as_was_asked_for():
    async with connected(server := simulated(), send_every_ms=40) as (backend, _):
        for _ in range(5):
            backend.send_audio(b"\x55" * 160)
        (session,) = server.sessions
        while len(session.log.caller_audio) < 4 * 160:
            await asyncio.sleep(0)
        sent = session.log.events("in", "input_audio_buffer.append")
        assert [event["audio"] for event in sent] == [320, 320]
        backend.end_turn("", was_speech=False)  # what is left belongs to the turn
        while len(session.log.caller_audio) < 5 * 160:
            await asyncio.sleep(0)


# --- losing it


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_any_close_we_did_not_ask_for_is_a_loss(code):
    async with connected(server := simulated()) as (_, listener):
        server.sessions[0].close(code, "bye")
        lost = await listener.wait_for(BackendLost)
    assert lost == BackendLost(code=str(code), message="bye", fatal=False)
    assert listener.events[-1] is lost


async def test_a_dropped_connection_is_a_loss():
    async with connected(server := simulated()) as (_, listener):
        server.sessions[0].drop()
        assert (await listener.wait_for(BackendLost)).code == "1006"


async def test_expiry_is_told_once():
    async with connected(server := simulated(expire_after_s=0.05)) as (_, listener):
        lost = await listener.wait_for(BackendLost)
        await server.sessions[0].ended.wait()
    assert lost.code == "session_expired"
    assert [event for event in listener.events if isinstance(event, BackendLost)] == [lost]


@pytest.mark.parametrize("talking", [False, True])
async def test_a_dead_peer_is_noticed(monkeypatch, talking):
    monkeypatch.setattr(websocket, "PING_INTERVAL_S", 0.02)
    monkeypatch.setattr(websocket, "PONG_TIMEOUT_S", 0.1)
    async with connected(server := simulated()) as (backend, listener):
        server.sessions[0].stall()
        if talking:
            await choke(backend)
        lost = await listener.wait_for(BackendLost)
    assert lost.code == "ping_timeout"


def test_a_dead_peer_is_noticed_within_three_seconds():
    assert websocket.PING_INTERVAL_S + websocket.PONG_TIMEOUT_S + websocket.READ_GRACE_S <= 3.0


async def test_a_defect_in_the_listener_is_a_loss_and_is_told_to_the_loop():
    defects: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context["exception"]))
    losses: list[BackendLost] = []
    lost = asyncio.Event()

    def broken(event: BackendEvent) -> None:
        if isinstance(event, BackendLost):
            losses.append(event)
            lost.set()
        elif not isinstance(event, SessionReady):
            raise RuntimeError("defect")

    async with simulated() as server:
        backend = backend_for(server.url)
        await backend.open(broken)
        backend.send_digit("1")
        await lost.wait()
        await backend.close()
    assert [event.code for event in losses] == ["internal_error"]
    assert [str(defect) for defect in defects] == ["defect"]


# --- closing


async def test_closing_is_silent_idempotent_and_leaves_nothing():
    async with simulated() as server:
        backend, listener = backend_for(server.url), Listener()
        await backend.open(listener)
        await backend.close()
        await backend.close()
        await server.sessions[0].ended.wait()
    assert [type(event) for event in listener.events] == [SessionReady]
    assert backend_tasks() == []
    backend.send_audio(SPEECH)
    backend.interrupt("i1", 0, 0)


async def test_closing_before_opening_does_nothing():
    await backend_for("ws://127.0.0.1:9/").close()


async def test_closing_a_stalled_connection_is_bounded(monkeypatch):
    async with connected(server := simulated()) as (backend, _):
        server.sessions[0].stall()
        await choke(backend)
        async with asyncio.timeout(websocket.CLOSE_DEADLINE_S + 0.2):
            await backend.close()


async def test_cancelling_open_leaves_nothing():
    async with simulated(never_ready=True) as server:
        opening = asyncio.create_task(backend_for(server.url).open(Listener()))
        while not server.sessions:
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await server.sessions[0].ended.wait()
    assert backend_tasks() == []


async def choke(backend: websocket.WebSocketBackend) -> None:
    """Fill every buffer between us and a server that doesn't read."""
    frame = b"\x55" * 160
    while backend.counters()["dropped_ms"] == 0:
        for _ in range(20):
            backend.send_audio(frame)
        await asyncio.sleep(0)


def backend_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if "WebSocketBackend" in repr(task.get_coro())]
