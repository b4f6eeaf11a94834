"""Sessions that are opened at once at one server: so many, and the others when it is their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection

from sipagent.backends import websocket_opening
from sipagent.backends.websocket_opening import OPENINGS_AT_ONCE
from sipagent.errors import BackendError
from tests.backends.websocket_rig import Listener, backend_for, connected, scripted, simulated

WAITING = 8


class Doorman:
    """A server that keeps whoever comes waiting, and turns them away with 4000, first come first."""

    def __init__(self) -> None:
        self.inside = self.most_inside = 0
        self._at_the_door: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def receive(self, connection: ServerConnection) -> None:
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        self._at_the_door.put_nowait(connection)
        await connection.wait_closed()
        self.inside -= 1

    async def next_one(self) -> ServerConnection:
        return await self._at_the_door.get()

    async def turn_away(self) -> None:
        await (await self.next_one()).close(4000)


async def turned_away(url: str, deadline_ms: int = 20000) -> str:
    """Comes to the door, and says with what it went."""
    with pytest.raises(BackendError) as raised:
        await backend_for(url, ready_deadline_ms=deadline_ms).open(Listener())
    return raised.value.code


async def test_no_more_than_so_many_are_opened_at_once():
    doorman = Doorman()
    async with scripted(doorman.receive) as url, asyncio.TaskGroup() as guests:
        codes = [guests.create_task(turned_away(url)) for _ in range(OPENINGS_AT_ONCE + WAITING)]
        for _ in codes:
            await doorman.turn_away()
    assert {code.result() for code in codes} == {"4000"}
    assert doorman.most_inside <= OPENINGS_AT_ONCE


@asynccontextmanager
async def taken(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, Doorman, ServerConnection]]:
    """A server where one session may be opened at a time, and one is: its URL, and who is inside."""
    monkeypatch.setattr(websocket_opening, "OPENINGS_AT_ONCE", 1)
    doorman = Doorman()
    async with scripted(doorman.receive) as url, asyncio.TaskGroup() as guests:
        first = guests.create_task(turned_away(url))
        yield url, doorman, await doorman.next_one()
    assert first.result() == "4000"


async def test_the_deadline_counts_from_ones_turn(monkeypatch):
    async with taken(monkeypatch) as (url, doorman, held):
        second = asyncio.create_task(turned_away(url, deadline_ms=2000))
        assert await turned_away(url, deadline_ms=1200) == "timeout"  # while the first is inside
        await held.close(4000)
        held = await doorman.next_one()
        assert await turned_away(url, deadline_ms=1200) == "timeout"  # by now the second has come 2.4 s ago
        await held.close(4000)
        assert await second == "4000"


async def test_each_server_has_a_line_of_its_own(monkeypatch):
    async with taken(monkeypatch) as (_, _, held):
        async with connected(simulated()):
            pass
        await held.close(4000)


async def test_who_leaves_the_line_takes_nobodys_place(monkeypatch):
    async with taken(monkeypatch) as (url, doorman, held):
        assert await turned_away(url, deadline_ms=100) == "timeout"
        last = asyncio.create_task(turned_away(url))
        await held.close(4000)
        await doorman.turn_away()
        assert await last == "4000"
