"""What calls leave behind in the control process without a garbage collector, whose pauses callers hear."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support.api import set_tokens
from tests.e2e.support.callee import Callee
from tests.e2e.support.counting_server import COUNTING
from tests.e2e.support.human import human
from tests.e2e.support.phone import call
from tests.e2e.support.server import THREADS, Server, running
from tests.e2e.support.transfer_desk import GOODBYE_MS, SPEAKS, speaks, talk

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tokens(monkeypatch)


@pytest.fixture
async def callee(setup: SetupFactory) -> AsyncIterator[Callee]:
    sales = {"to": "+15550100", "how": "bridge", "goodbye_max_s": 3}
    async with RealtimeServer(speaks()) as model:
        yield Callee(setup, model.url, agent=SPEAKS | {"transfers": {"sales": sales}})


@asynccontextmanager
async def inbound(callee: Callee, server: Server) -> AsyncIterator[None]:
    async with call(callee.setup) as caller:
        await caller.hear_speech(GOODBYE_MS)
        yield
        await caller.hang_up()


@asynccontextmanager
async def outbound(callee: Callee, server: Server) -> AsyncIterator[None]:
    async with human(callee.setup, callee.port) as called:
        await callee.dial()
        await called.pick_up()
        await called.hear_speech(GOODBYE_MS)
        yield
        await called.hang_up()


@asynccontextmanager
async def bridged(callee: Callee, server: Server) -> AsyncIterator[None]:
    joined = len(server.lines("transfer_joined")) + 1
    async with human(callee.setup, callee.port) as called, call(callee.setup) as caller:
        await caller.hear_speech(GOODBYE_MS)
        await callee.api.do((await callee.api.only_call())["call_id"], "refer", target="sales")
        await called.pick_up()
        await server.wait_log("transfer_joined", count=joined)
        await talk(caller, called)
        yield
        await caller.hang_up()
        await called.hung_up()


@pytest.mark.parametrize(
    ("held", "kinds"),
    [
        (inbound, ["InboundCall", "MediaSide", "SipCall"]),
        (outbound, ["MediaSide", "OutboundCall", "SipCall"]),
        (bridged, ["HumanLeg", "InboundCall", "MediaSide", "SipCall", "SipCall"]),
    ],
)
async def test_a_call_that_is_over_is_gone(
    callee: Callee, held: Callable[[Callee, Server], AbstractAsyncContextManager[None]], kinds: list[str]
) -> None:
    async with running(callee.setup, wrapper=COUNTING, spare_threads=THREADS) as server:
        for number in (1, 2):
            async with held(callee, server):
                server.process.send_signal(signal.SIGUSR1)
                line = await server.wait_log("objects_kept", count=number)
            await server.next_record()
            assert sorted(line["kept"]) == kinds, f"during call {number}"
