"""A server that is there and takes nothing any more: what it costs, and how soon it is noticed."""

from __future__ import annotations

import asyncio

import pytest

from sipagent.backends import websocket, websocket_opening
from sipagent.backends.base import BackendLost
from sipagent.backends.websocket_writer import MessageWriter
from tests.backends.websocket_rig import FRAME, choke, connected, simulated, stalled


async def test_a_stalled_server_costs_old_audio_and_nothing_else():
    async with stalled() as (backend, _):
        choke(backend)
        for _ in range(50):
            backend.send_audio(FRAME)
        assert backend.counters()["dropped_ms"] == 20 + 1000


@pytest.mark.parametrize("talking", [False, True])
async def test_a_dead_peer_is_noticed(monkeypatch, talking):
    monkeypatch.setattr(websocket, "PING_INTERVAL_S", 0.03)
    async with stalled() as (backend, listener):
        if talking:
            choke(backend)
        lost = await listener.wait_for(BackendLost)
    assert lost.code == "ping_timeout"


def test_a_dead_peer_is_noticed_within_three_seconds():
    intervals = 1 + websocket.MOST_SILENT_INTERVALS
    assert intervals * websocket.PING_INTERVAL_S + websocket.READ_GRACE_S <= 3.0


async def test_a_peer_that_speaks_need_not_answer_pings(monkeypatch):
    asked, ping = asyncio.Queue[None](), MessageWriter.ping

    def ask(writer: MessageWriter) -> None:
        asked.put_nowait(None)
        ping(writer)

    monkeypatch.setattr(websocket, "PING_INTERVAL_S", 0.03)
    monkeypatch.setattr(MessageWriter, "ping", ask)
    async with connected(server := simulated()) as (_, listener):
        (session,) = server.sessions
        session.stall()
        for _ in range(2 * websocket.MOST_SILENT_INTERVALS + 1):
            await asked.get()
            await session._connection.pong()
        assert not any(isinstance(event, BackendLost) for event in listener.events)
        await listener.wait_for(BackendLost)
        session.drop()


async def test_closing_a_stalled_connection_is_bounded(monkeypatch):
    monkeypatch.setattr(websocket, "CLOSE_DEADLINE_S", 0.05)
    async with stalled() as (backend, _):
        choke(backend)
        async with asyncio.timeout(websocket_opening.CLOSE_TIMEOUT_S):  # by us, before the library gives up
            await backend.close()
