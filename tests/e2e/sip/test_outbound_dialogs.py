"""Calls of ours to a callee that does what RFCs 3261, 3262, 3311 and 4028 allow: they go on, or end once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.support.peer import Peer, peer, sdp

pytestmark = pytest.mark.e2e


@pytest.fixture
async def callee() -> AsyncIterator[Peer]:
    async with peer() as one:
        yield one


def uri(callee: Peer) -> str:
    return f"sip:+15550002@127.0.0.1:{callee.address[1]}"


async def hangs_up(callee: Peer, server: Any) -> None:
    callee.request_as_callee("BYE")
    await callee.next("200 BYE")
    end = await server.next("CallDisconnected")
    assert (end["sip_status"], end["by_remote"]) == (200, True)


async def test_early_media(agent: Any, callee: Peer) -> None:
    async with agent(call=uri(callee)) as server:
        invite = await callee.next("INVITE")
        callee.respond(invite, 183, body=sdp())
        assert (await server.next("CallProgress", "CallConfirmed"))["sip_status"] == 183
        early = await server.next("MediaNegotiated", "CallConfirmed")
        assert early["media"]["codec"] == "PCMU"
        callee.respond(invite, 200, body=sdp())
        await callee.next("ACK")
        await server.next("CallConfirmed")
        callee.take(invite)
        await hangs_up(callee, server)


async def test_ringing_that_is_reliable(agent: Any, callee: Peer) -> None:
    async with agent(call=uri(callee)) as server:
        invite = await callee.next("INVITE")
        assert "100rel" in (invite.get("supported") or "")
        callee.respond(invite, 183, headers=[("Require", "100rel"), ("RSeq", "7")], body=sdp())
        prack = await callee.next("PRACK")
        assert prack["rack"] == f"7 {invite['cseq']}"
        callee.respond(prack, 200)
        callee.respond(invite, 200)
        await callee.next("ACK")
        await server.next("CallConfirmed")
        callee.take(invite)
        await hangs_up(callee, server)


async def test_a_call_that_is_forked_has_one_callee(agent: Any, callee: Peer) -> None:
    """Two ring, both answer: the second is acknowledged and released (RFC 3261, 13.2.2.4)."""
    async with agent(call=uri(callee)) as server:
        invite = await callee.next("INVITE")
        callee.respond(invite, 180, tag="left")
        callee.respond(invite, 180, tag="right")
        callee.respond(invite, 200, tag="right", body=sdp())
        assert "tag=right" in (await callee.next("ACK"))["to"]
        await server.next("CallConfirmed")
        callee.respond(invite, 200, tag="left", body=sdp())
        assert "tag=left" in (await callee.next("ACK"))["to"]
        bye = await callee.next("BYE")
        assert "tag=left" in bye["to"]
        callee.respond(bye, 200)
        callee.tag = "right"
        callee.take(invite)
        await hangs_up(callee, server)


async def test_a_cancel_that_crosses_the_answer(agent: Any, callee: Peer) -> None:
    async with agent(call=uri(callee), give_up_when="CallProgress") as server:
        invite = await callee.next("INVITE")
        callee.respond(invite, 180)
        cancel = await callee.next("CANCEL")
        callee.respond(cancel, 200)
        callee.respond(invite, 200, body=sdp())
        await callee.next("ACK")
        callee.respond(await callee.next("BYE"), 200)
        end = await server.next("CallDisconnected")
        assert end["by_remote"] is False


async def test_a_session_interval_that_the_callee_finds_too_short(agent: Any, callee: Peer) -> None:
    settings = {"session_timer": {"use": "required", "expires_s": 120, "min_se_s": 90}}
    async with agent(call=uri(callee), trunk=settings) as server:
        invite = await callee.next("INVITE")
        assert invite["session-expires"].startswith("120")
        callee.respond(invite, 422, headers=[("Min-SE", "300")])
        again = await callee.next("INVITE")
        assert again["session-expires"].startswith("300")
        timer = [("Require", "timer"), ("Session-Expires", "300;refresher=uac")]
        callee.respond(again, 200, headers=timer, body=sdp())
        await callee.next("ACK")
        await server.next("CallConfirmed")
        callee.take(again)
        callee.request_as_callee(
            "UPDATE", headers=[("Supported", "timer"), ("Session-Expires", "300;refresher=uas")]
        )
        await callee.next("200 UPDATE")
        await hangs_up(callee, server)


async def test_a_session_that_nobody_refreshes_ends(
    agent: Any, callee: Peer, fast_clock: dict[str, str]
) -> None:
    settings = {"session_timer": {"use": "required", "expires_s": 90, "min_se_s": 90}}
    async with agent(call=uri(callee), trunk=settings, environment=fast_clock) as server:
        invite = await callee.next("INVITE")
        timer = [("Require", "timer"), ("Session-Expires", "90;refresher=uas")]
        callee.respond(invite, 200, headers=timer, body=sdp())
        await callee.next("ACK")
        await server.next("CallConfirmed")
        callee.respond(await callee.next("BYE"), 200)
        assert (await server.next("CallDisconnected"))["by_remote"] is False


async def test_a_redirection_is_told_and_not_followed(agent: Any, callee: Peer) -> None:
    async with agent(call=uri(callee)) as server:
        invite = await callee.next("INVITE")
        callee.respond(invite, 302)
        await callee.next("ACK")
        end = await server.next("CallDisconnected")
        assert (end["sip_status"], end["by_remote"]) == (302, True)
        with pytest.raises(AssertionError, match="no INVITE"):
            await callee.next("INVITE", within_s=0.5)


async def test_offers_that_meet_are_made_again(agent: Any, callee: Peer) -> None:
    """Both sides put the other on hold at once: 491 each way, and ours comes again (RFC 3261, 14.1)."""
    async with agent(call=uri(callee), hold=True) as server:
        invite = await callee.next("INVITE")
        callee.respond(invite, 200, body=sdp())
        await callee.next("ACK")
        callee.take(invite)
        ours = await callee.next("INVITE")
        callee.request_as_callee("INVITE", body=sdp("sendonly", version=2))
        await callee.next("491 INVITE")
        callee.respond(ours, 491)
        await callee.next("ACK")
        again = await callee.next("INVITE")
        assert "a=sendonly" in again.body
        callee.respond(again, 200, body=sdp("recvonly", version=3))
        await callee.next("ACK")
        await hangs_up(callee, server)


async def test_who_we_say_we_are(agent: Any, callee: Peer) -> None:
    settings = {"caller_id": {"send_in": "p_asserted_identity"}}
    options = {"from": "sip:+15550001@carrier.example", "hide_caller": True}
    async with agent(call=uri(callee), trunk=settings, **options) as server:
        invite = await callee.next("INVITE")
        assert "<sip:anonymous@anonymous.invalid>" in invite["from"]
        assert invite["p-asserted-identity"] == "<sip:+15550001@carrier.example>"
        assert invite["privacy"] == "id"
        callee.respond(invite, 487)
        await callee.next("ACK")
        assert (await server.next("CallDisconnected"))["sip_status"] == 487
