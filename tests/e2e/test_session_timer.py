"""Session timers (RFC 4028), which pjsip keeps: refreshed by the peer, then by us."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(90)
async def test_a_session_is_refreshed_from_both_sides(setup: SetupFactory, sipp: Sipp) -> None:
    """Ours is due after half of the shortest interval that there may be, 45 s."""
    async with running(setup(None, rtp={"first_packet_timeout_s": 0})) as server:
        await sipp("uac-session-timer-refreshed", server.setup, timeout_s=70)
        record = await server.next_record()
    assert (record["end_reason"], record["call_status"]) == ("caller_hung_up", "completed")
    assert record["duration_s"] > 40
