"""What calls leave behind in the control process without a garbage collector, whose pauses callers hear."""

from __future__ import annotations

import signal

import pytest

from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support.counting_server import COUNTING
from tests.e2e.support.phone import call
from tests.e2e.support.server import Server, running
from tests.e2e.support.transfer_desk import GOODBYE_MS, SPEAKS, speaks

pytestmark = pytest.mark.e2e


async def kept_during_call(server: Server) -> list[str]:
    """Make a call. Returns of which kinds of a call's objects the server has how many meanwhile."""
    async with call(server.setup) as caller:
        await caller.hear_speech(GOODBYE_MS)
        server.process.send_signal(signal.SIGUSR1)
        line = await server.wait_log("objects_kept", count=len(server.calls()) + 1)
        await caller.hang_up()
    kept: list[str] = line["kept"]
    return kept


async def test_a_call_that_is_over_is_gone(setup: SetupFactory) -> None:
    async with (
        RealtimeServer(speaks()) as model,
        running(setup(model.url, agent=SPEAKS), wrapper=COUNTING) as server,
    ):
        first = await kept_during_call(server)
        await server.next_record()
        second = await kept_during_call(server)
        await server.next_record()
    assert sorted(first) == ["InboundCall", "MediaSide", "SipCall"]
    assert sorted(second) == sorted(first)
