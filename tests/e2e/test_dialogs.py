"""What RFCs 3261, 3262, 3311, 3326 and 4028 ask of a callee: the call goes on or ends, with one record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.support.peer import Peer, peer, sdp
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import NUMBER, write_setup
from tests.e2e.support.sip import Message

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

RELIABLE = ("Require", "100rel")
INSISTS, TIMED, BELIEVED, SUPPORTS = "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.10"
BELIEVING = {"take_from": "p_asserted_identity", "trust": ["diversion"]}
PASSPORT = (
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJhdHRlc3QiOiJBIiwib3JpZyI6eyJ0biI6IjE1NTUwMDA5In0sImRlc3QiOnsidG4iOlsiMTU1NTAxMDAiXX19.c2ln"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    trunks = {
        "insists": {"allowed_addresses": [INSISTS], "prack": "required"},
        "supports": {"allowed_addresses": [SUPPORTS], "prack": "supported"},
        "timed": {"allowed_addresses": [TIMED], "session_timer": {"use": "required", "expires_s": 90}},
        "believes": {"allowed_addresses": [BELIEVED], "caller_id": BELIEVING},
    }
    setup = write_setup(
        tmp_path_factory.mktemp("house"),
        None,
        trunks=trunks,
        rtp={"first_packet_timeout_s": 0},  # the peers send no RTP
    )
    async with running(setup) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(house: Server) -> AsyncIterator[Server]:
    """The shared server; after each test nothing is left of its calls."""
    house.skip_records()
    yield house
    await house.assert_clean()


@pytest_asyncio.fixture(loop_scope="module")
async def caller(server: Server) -> AsyncIterator[Peer]:
    async with peer() as one:
        one.calls(NUMBER, (server.setup.host, server.setup.sip_port))
        yield one


async def hangs_up(caller: Peer, server: Server) -> dict[str, Any]:
    caller.request("BYE")
    await caller.next("200 BYE")
    record = await server.next_record()
    assert (record["end_reason"], record["call_status"]) == ("caller_hung_up", "completed")
    return record


async def acknowledges_ringing(caller: Peer, ringing: Message) -> None:
    """The agent may be ready before the PRACK comes or after it: the 200s come in either order."""
    caller.acknowledge_ringing(ringing)
    _, answer = await caller.next_of_each("200 PRACK", "200 INVITE")
    caller.acknowledge(answer)


async def test_ringing_is_reliable_for_a_peer_that_insists(server: Server, caller: Peer) -> None:
    caller.request("INVITE", headers=[RELIABLE], body=sdp())
    ringing = await caller.next("180 INVITE")
    assert "100rel" in (ringing.get("require") or "")
    await acknowledges_ringing(caller, ringing)
    await hangs_up(caller, server)


async def test_ringing_is_reliable_where_both_sides_can(server: Server) -> None:
    async with peer(host=SUPPORTS) as caller:
        caller.calls(NUMBER, (server.setup.host, server.setup.sip_port))
        caller.request("INVITE", headers=[("Supported", "100rel")], body=sdp())
        await acknowledges_ringing(caller, await caller.next("180 INVITE"))
        await hangs_up(caller, server)


async def test_an_answer_does_not_wait_for_the_ringing_to_be_acknowledged(
    server: Server, caller: Peer
) -> None:
    """RFC 3262, section 3: a 200 may come first where the 180 had no SDP, and the PRACK is still answered."""
    caller.request("INVITE", headers=[RELIABLE], body=sdp())
    ringing = await caller.next("180 INVITE")
    await caller.answered()
    caller.acknowledge_ringing(ringing)
    await caller.next("200 PRACK")
    await hangs_up(caller, server)


async def test_a_session_refreshed_by_update(server: Server, caller: Peer) -> None:
    caller.request("INVITE", body=sdp())
    await caller.answered()
    caller.request("UPDATE")
    assert not (await caller.next("200 UPDATE")).body
    await hangs_up(caller, server)


async def test_a_new_offer_by_update(server: Server, caller: Peer) -> None:
    caller.request("INVITE", body=sdp())
    await caller.answered()
    caller.request("UPDATE", body=sdp("sendonly", version=2))
    assert "a=recvonly" in (await caller.next("200 UPDATE")).body
    caller.request("UPDATE", body=sdp("sendrecv", version=3))
    assert "a=recvonly" not in (await caller.next("200 UPDATE")).body
    record = await hangs_up(caller, server)
    assert [hold["direction"] for hold in record["holds"]] == ["recvonly"]


async def test_an_offer_by_update_that_cannot_be_taken(server: Server, caller: Peer) -> None:
    caller.request("INVITE", body=sdp())
    await caller.answered()
    caller.request("UPDATE", body=sdp(version=2).replace("RTP/AVP 0 101", "RTP/AVP 18"))
    await caller.next("488 UPDATE")
    await hangs_up(caller, server)


async def test_a_session_interval_that_is_too_short(server: Server, caller: Peer) -> None:
    short = [("Supported", "timer"), ("Session-Expires", "60")]
    branch = caller.request("INVITE", headers=short, body=sdp())
    answer = await caller.next("422 INVITE")
    assert answer["min-se"] == "90"
    assert (await server.next_record())["reason_code"] == "session_interval"
    caller.far = answer["to"]
    caller.request("ACK", branch=branch)
    caller.far = ""
    caller.request("INVITE", headers=[("Supported", "timer"), ("Session-Expires", "90")], body=sdp())
    assert (await caller.answered())["session-expires"].startswith("90")
    await hangs_up(caller, server)


async def test_a_cancel_that_comes_too_late(server: Server, caller: Peer) -> None:
    """The 200 has crossed it: the call stands."""
    branch = caller.request("INVITE", body=sdp())
    answer = await caller.next("200 INVITE")
    caller.request("CANCEL", branch=branch)
    await caller.next("200 CANCEL")
    caller.follow(answer)
    caller.request("ACK")
    await hangs_up(caller, server)


async def test_a_request_that_comes_by_two_ways(server: Server, caller: Peer) -> None:
    """RFC 3261, 8.2.2.2: merged. The call is the one that came first."""
    caller.request("INVITE", body=sdp())
    second = caller.request("INVITE", body=sdp(), cseq=caller.cseq)
    assert second in (await caller.next("482 INVITE"))["via"]
    caller.request("ACK", branch=second, cseq=caller.cseq)
    await caller.answered()
    record = await hangs_up(caller, server)
    assert record["sip_call_id"] == caller.call_id


async def test_what_the_network_says_of_the_caller_is_in_the_record(server: Server) -> None:
    async with peer(host=BELIEVED) as caller:
        caller.calls(NUMBER, (server.setup.host, server.setup.sip_port))
        headers = [
            ("P-Asserted-Identity", "<sip:+15550009;verstat=TN-Validation-Passed@carrier.example>"),
            ("Diversion", "<sip:+15550005@carrier.example>;reason=no-answer"),
            ("Identity", f"{PASSPORT};info=<https://certs.example/a.pem>;alg=ES256;ppt=shaken"),
        ]
        caller.request("INVITE", headers=headers, body=sdp())
        await caller.answered()
        record = await hangs_up(caller, server)
    assert (record["from"], record["asserted_identity"]) == ("+15550009", "+15550009")
    assert (record["diverted_from"], record["privacy"]) == ("+15550005", None)
    assert record["stir"]["verstat"] == "TN-Validation-Passed"
    assert record["stir"]["unverified"]["attestation"] == "A"


async def test_a_caller_that_wants_to_be_anonymous_is(server: Server) -> None:
    async with peer(host=BELIEVED) as caller:
        caller.calls(NUMBER, (server.setup.host, server.setup.sip_port))
        headers = [("P-Asserted-Identity", "<tel:+15550009>"), ("Privacy", "id")]
        caller.request("INVITE", headers=headers, body=sdp())
        await caller.answered()
        record = await hangs_up(caller, server)
    assert (record["from"], record["privacy"]) == ("anonymous", "id")


async def test_what_an_unbelieved_peer_asserts_is_nothing(server: Server, caller: Peer) -> None:
    caller.request("INVITE", headers=[("P-Asserted-Identity", "<sip:+15550009@x>")], body=sdp())
    await caller.answered()
    record = await hangs_up(caller, server)
    assert (record["from"], record["asserted_identity"]) == ("+15550001", None)


@pytest.mark.parametrize(("host", "missing"), [(INSISTS, "100rel"), (TIMED, "timer")])
async def test_a_trunk_that_requires_what_the_peer_lacks(server: Server, host: str, missing: str) -> None:
    async with peer(host=host) as caller:
        caller.calls(NUMBER, (server.setup.host, server.setup.sip_port))
        branch = caller.request("INVITE", body=sdp())
        refused = await caller.next("421 INVITE")
        assert missing in refused["require"]
        caller.far = refused["to"]
        caller.request("ACK", branch=branch)
        assert (await server.next_record())["reason_code"] == "extension_required"
