"""A phone or a worker is held up for a while: what then comes in a burst is recorded as it was said."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from sipagent.formats import ULAW
from tests.e2e.support import audio
from tests.e2e.support.phone import call
from tests.e2e.support.server import Record, Server, running
from tests.e2e.support.setup import write_setup

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.paced, pytest.mark.asyncio(loop_scope="module")]

SAID_MS = 600
#: From the first packet on; 300 ms without audio are more than the jitter buffer lets pass in silence.
AT_MS = (0, 10, 200)
LASTING_MS = (50, 110, 340)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that echoes."""
    async with running(write_setup(tmp_path_factory.mktemp("stalls"), None)) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(house: Server) -> AsyncIterator[Server]:
    house.skip_records()
    yield house
    await house.assert_clean()


def hold_up_the_phone(server: Server, ms: int) -> None:
    time.sleep(ms / 1000)


def hold_up_the_workers(server: Server, ms: int) -> None:
    """Their time is counted from outside: the telephone goes on meanwhile."""
    for pid in server.workers:
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(ms / 1000, os.kill, pid, signal.SIGCONT)


async def held_up_call(server: Server, said: bytes, hold_up: Callable[[], None], at_ms: int) -> Record:
    async with call(server.setup, speech=said) as caller:
        asyncio.get_running_loop().call_later(at_ms / 1000, hold_up)
        await caller.hear(lambda: caller.speech_heard() == said)
        await caller.hang_up()
    return await server.next_record()


@pytest.mark.parametrize("hold_up", [hold_up_the_phone, hold_up_the_workers])
@pytest.mark.parametrize("at_ms", AT_MS)
async def test_what_comes_late_is_recorded_in_one_piece(
    server: Server, hold_up: Callable[[Server, int], None], at_ms: int
) -> None:
    said = audio.signal(1, SAID_MS, ULAW)
    spoken = audio.samples(said, "PCMU")
    for lasting_ms in LASTING_MS:
        record = await held_up_call(server, said, lambda ms=lasting_ms: hold_up(server, ms), at_ms)
        left, right = audio.recorded(record["recording"])
        assert audio.holds(left, spoken), lasting_ms
        assert audio.plays(right, spoken), lasting_ms
        assert record["rtp"]["inbound"]["lost"] == 0
