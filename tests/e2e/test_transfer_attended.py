"""Callers handed on to humans whom we have asked first: REFER with Replaces."""

from __future__ import annotations

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.transfer_desk import AGAIN, AGAIN_MS, Desk, only_transfer, say_goodbye, speaks

pytestmark = pytest.mark.e2e


async def test_attended_the_human_is_asked_first_and_then_takes_our_place(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, how="attended")
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.pick_up()
                refer = await caller.referred()
                caller.notify("100 Trying")
                caller.notify("200 OK")
                await caller.hung_up()
            await called.hung_up()
            record = await server.next_record()
    assert called.invited is not None
    target, _, parameters = refer["refer-to"].strip("<>").partition("?")
    assert target == f"sip:+15550100@127.0.0.1:{desk.port}"
    replaces = dict(each.split("=", 1) for each in parameters.split("&"))["Replaces"]
    call_id, *tags = replaces.replace("%3B", ";").replace("%3D", "=").split(";")
    ours = called.invited["from"].rpartition("tag=")[2]
    assert call_id.replace("%40", "@") == called.sip_call_id
    assert dict(tag.split("=") for tag in tags) == {"to-tag": called._tag, "from-tag": ours}
    assert record["end_reason"] == "transferred"
    assert only_transfer(record, "how", "outcome", "sip_status") == ("attended", "transferred", 200)


async def test_attended_and_refused_the_caller_is_with_the_agent_again(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, how="attended")
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup, takes="403 Forbidden") as caller:
                await say_goodbye(server, caller)
                await called.pick_up()
                await called.hung_up()
                again = audio.signal(AGAIN, AGAIN_MS, ULAW)
                await caller.hear(lambda: again in caller.audio_heard())
                await caller.hang_up()
            record = await server.next_record()
    assert only_transfer(record, "how", "outcome", "sip_status") == ("attended", "failed", 403)
