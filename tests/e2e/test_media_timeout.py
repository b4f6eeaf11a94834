"""Peers that fall silent, or die without a word."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import SetupFactory
from tests.e2e.support.desk_phone import DeskPhone, desk_call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

TIMEOUTS = {"first_packet_timeout_s": 0.6, "timeout_s": 0.4, "hold_timeout_s": 0.8}


class Mute(DeskPhone):
    """Never sends any RTP."""

    def _talk(self, answer: str) -> None:
        pass


@pytest.mark.parametrize(
    ("case", "detail"),
    [
        ("never", "no RTP ever for 0.6 s"),
        ("any more", "no RTP any more for 0.4 s"),
        ("on hold", "no RTP on hold for 0.8 s"),
    ],
)
async def test_a_call_without_rtp_is_ended(setup: SetupFactory, case: str, detail: str) -> None:
    async with running(setup(None, rtp=TIMEOUTS)) as server:
        caller = (Mute if case == "never" else DeskPhone)(server.setup)
        await caller.open()
        assert (await caller.invite()).status == 200
        if case != "never":
            await server.wait_log("media_started")
            if case == "on hold":
                await caller.hold("inactive")
            caller.mute()
        bye = await caller.hung_up(within_s=3)
        assert "media_timeout" in bye["reason"]
        caller.close()
        record = await server.next_record()
    assert (record["end_reason"], record["detail"]) == ("media_timeout", detail)
    assert record["call_status"] == "completed"


async def test_nought_waits_for_ever(setup: SetupFactory) -> None:
    async with running(setup(None, rtp=TIMEOUTS | {"hold_timeout_s": 0})) as server:
        async with desk_call(server.setup) as caller:
            await server.wait_log("media_started")
            await caller.hold("inactive")
            caller.mute()
            with pytest.raises(TimeoutError):
                await caller.hung_up(within_s=1.5)
            await caller.hang_up()
        assert (await server.next_record())["end_reason"] == "caller_hung_up"


@pytest.mark.timeout(90)
async def test_a_peer_that_dies_is_let_go(setup: SetupFactory) -> None:
    """No BYE, no RTP, no answer to our BYE: its closed port ends that here, and 64 T1 elsewhere."""
    async with running(setup(None, rtp=TIMEOUTS)) as server:
        async with desk_call(server.setup):
            await server.wait_log("media_started")
        record = await server.next_record(within_s=40)
    assert (record["end_reason"], record["detail"]) == ("media_timeout", "no RTP any more for 0.4 s")
