"""Calls over SRTP: what is said both ways, what an attacker achieves, and keys that change."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from rtp import packet
from sipagent.formats import CODECS
from tests.e2e.support import audio
from tests.e2e.support.phone import phone
from tests.e2e.support.secure_phone import (
    AES_32,
    AES_80,
    GCM,
    SecurePhone,
    crypto_lines,
    secure_call,
    secure_phone,
)
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import write_setup
from tests.e2e.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.e2e, pytest.mark.paced, pytest.mark.asyncio(loop_scope="module")]

LAW = CODECS["PCMU"]
OFF, OPTIONAL, REQUIRED = "127.0.0.2", "127.0.0.3", "127.0.0.4"
SOME_MS = 600


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that echoes, with a trunk for each policy, known by the caller's address."""
    trunks = {
        policy: {"allowed_addresses": [address], "srtp": policy, "public_address": "127.0.0.1"}
        for policy, address in (("off", OFF), ("optional", OPTIONAL), ("required", REQUIRED))
    }
    setup = write_setup(tmp_path_factory.mktemp("srtp"), None, agent={"record": True}, trunks=trunks)
    async with running(setup) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(house: Server) -> AsyncIterator[Server]:
    house.skip_records()
    yield house
    await house.assert_clean()


def speech(number: int, ms: int = SOME_MS) -> bytes:
    return audio.signal(number, ms, LAW)


async def heard_back(caller: SecurePhone, number: int) -> None:
    """What is said comes back, bit by bit; the echo may pause where it waits for the next packet."""
    said = speech(number)
    await caller.say(said)
    await caller.hear(lambda: said in caller.speech_heard())


async def heard_back_at_last(caller: SecurePhone, number: int) -> None:
    """After a re-INVITE, of which workers hear a little later than the peer: what was lost is said again."""
    said = speech(number)
    async with asyncio.timeout(PATIENCE_S):
        while said not in caller.speech_heard():
            await caller.say(said)
            with contextlib.suppress(TimeoutError):
                await caller.hear(lambda: said in caller.speech_heard(), within_s=1.0)


def written(server: Server) -> str:
    """All that the server keeps and logs, as text."""
    paths = [server.setup.config.with_name("server.log"), *server.setup.storage.rglob("*.json*")]
    return "\n".join(path.read_text(errors="replace") for path in paths)


def assert_no_key_in(server: Server, caller: SecurePhone) -> None:
    text = written(server)
    assert "srtp" in text
    for key in (*caller.server_keys, *(base64.b64encode(key).decode() for key in caller.keys.values())):
        assert key not in text
        assert key[:16] not in text
        assert base64.b64decode(key).hex() not in text


@pytest.mark.parametrize("suite", [AES_80, AES_32, GCM])
@pytest.mark.parametrize("host", [OPTIONAL, REQUIRED])
async def test_audio_both_ways_bit_by_bit(server: Server, suite: str, host: str) -> None:
    said = speech(1)
    async with secure_call(server.setup, suites=(suite,), host=host, speech=said) as caller:
        await caller.hear(lambda: said in caller.speech_heard())
        await heard_back(caller, 2)
        await caller.hang_up()
    record = await server.next_record()
    assert (record["srtp"], record["codec"], record["end_reason"]) == (suite, "PCMU", "caller_hung_up")
    inbound = record["rtp"]["inbound"]
    assert (inbound["unauthenticated"], inbound["replayed"], inbound["foreign"]) == (0, 0, 0)
    left, right = audio.recorded(record["recording"])
    assert audio.holds(left, audio.samples(said, "PCMU"))
    assert audio.plays(right, audio.samples(said, "PCMU"))
    assert caller.unreadable == 0
    assert server.lines("srtp_keys_in_clear", call_id=record["call_id"])
    assert_no_key_in(server, caller)


async def test_digits_ride_under_it(server: Server) -> None:
    async with secure_call(server.setup, host=REQUIRED) as caller:
        caller.press("5")
        await server.wait_log("digit_received", digit="5")
        await caller.hang_up()
    assert [digit["digit"] for digit in (await server.next_record())["digits"]] == ["5"]


async def test_our_order_of_preference_decides(server: Server) -> None:
    async with secure_call(server.setup, suites=(AES_32, AES_80), host=OPTIONAL) as caller:
        assert caller.answer is not None
        assert [line.split()[:2] for line in crypto_lines(caller.answer.body)] == [["2", AES_80]]
        assert " RTP/SAVP " in caller.answer.body
        await caller.hang_up()
    assert (await server.next_record())["srtp"] == AES_80


@pytest.mark.parametrize(
    ("host", "secure", "reason_code"),
    [(OFF, True, "srtp_off"), (REQUIRED, False, "srtp_required")],
)
async def test_a_policy_refuses(server: Server, host: str, secure: bool, reason_code: str) -> None:
    kind: Any = secure_phone if secure else phone
    async with kind(server.setup, host=host) as caller:
        answer = await caller.invite()
    assert answer.status == 488
    assert f'text="{reason_code}"' in answer["reason"]
    record = await server.next_record()
    assert (record["reason_code"], record["sip_status"], record["srtp"]) == (reason_code, 488, None)


async def test_a_line_that_cannot_be_used_is_refused(server: Server) -> None:
    async with secure_phone(server.setup, host=OPTIONAL) as caller:
        caller.suites = ()
        answer = await caller.invite()
    assert (answer.status, 'text="no_common_crypto"' in answer["reason"]) == (488, True)
    assert (await server.next_record())["reason_code"] == "no_common_crypto"


async def test_optional_takes_a_plain_call_too(server: Server) -> None:
    async with phone(server.setup, host=OPTIONAL, speech=speech(1)) as caller:
        assert (await caller.invite()).status == 200
        await caller.hear_speech(SOME_MS)
        await caller.hang_up()
    record = await server.next_record()
    assert (record["srtp"], record["rtp"]["inbound"]["unauthenticated"]) == (None, 0)


# --- attacks ----------------------------------------------------------------------------------------


async def test_replays_forgeries_and_plaintext_change_nothing(server: Server) -> None:
    forged = packet.RtpPacket(0, 1, 160, 0x0BADBAD0, audio.signal(9, 20, LAW))
    async with secure_call(server.setup, host=REQUIRED, speech=speech(1)) as caller:
        await heard_back(caller, 2)
        genuine = caller.sent[-20:]
        flipped = [bytes([*data[:40], data[40] ^ 1, *data[41:]]) for data in genuine]
        sequence = int.from_bytes(genuine[-1][2:4], "big")
        ssrc = int.from_bytes(genuine[-1][8:12], "big")
        plain = [
            packet.serialize(forged._replace(sequence=(sequence + at) & 0xFFFF, ssrc=ssrc))
            for at in range(20)
        ]
        caller.inject([*genuine, *flipped, *plain])
        await heard_back(caller, 3)
        await caller.hang_up()
    record = await server.next_record()
    inbound = record["rtp"]["inbound"]
    assert (
        inbound["replayed"] + inbound["unauthenticated"] == 60
    )  # libsrtp looks at the number before all else
    assert inbound["replayed"] >= 20
    assert inbound["unauthenticated"] > 0
    assert (inbound["foreign"], inbound["duplicate"], inbound["malformed"]) == (0, 0, 0)
    assert record["end_reason"] == "caller_hung_up"
    left, _ = audio.recorded(record["recording"])
    assert not audio.holds(left, audio.samples(forged.payload, "PCMU"))
    metrics = await server.metrics()
    for kind in ("replayed", "unauthenticated"):
        assert metrics[f'sipagent_rtp_packets_total{{kind="inbound_{kind}"}}'] >= inbound[kind]


async def test_a_downgrade_is_refused_and_the_call_kept(server: Server) -> None:
    async with secure_call(server.setup, host=OPTIONAL) as caller:
        await heard_back(caller, 1)
        assert (await caller.reinvite(secure=False)).status == 488
        await heard_back(caller, 2)
        await caller.hang_up()
    record = await server.next_record()
    assert (record["srtp"], record["end_reason"]) == (AES_80, "caller_hung_up")
    assert caller.unreadable == 0


# --- keys over the life of a call -------------------------------------------------------------------


async def test_keys_stay_through_hold_and_resume(server: Server) -> None:
    async with secure_call(server.setup, host=REQUIRED) as caller:
        await heard_back(caller, 1)
        held = await caller.reinvite(attributes="a=sendonly\r\n")
        assert "a=recvonly" in held.body
        assert (await caller.reinvite()).status == 200
        await heard_back_at_last(caller, 2)
        await caller.hang_up()
    assert len(set(caller.server_keys)) == 1
    record = await server.next_record()
    assert record["rtp"]["inbound"]["unauthenticated"] == 0


@pytest.mark.alone  # the worker must know the new key when the first packet under it comes
async def test_a_new_key_brings_a_new_key_and_no_gap(server: Server) -> None:
    async with secure_call(server.setup, host=REQUIRED) as caller:
        await heard_back(caller, 1)
        for number in (2, 3):
            assert (await caller.reinvite(new_keys=True)).status == 200
            await heard_back(caller, number)
        await caller.hang_up()
    assert len(set(caller.server_keys)) == 3
    record = await server.next_record()
    inbound = record["rtp"]["inbound"]
    assert (inbound["unauthenticated"], inbound["lost"], inbound["concealed_ms"]) == (0, 0, 0)
    assert_no_key_in(server, caller)


async def test_a_plain_call_becomes_a_secure_one(server: Server) -> None:
    async with secure_call(server.setup, host=OPTIONAL, plain=True) as caller:
        await heard_back(caller, 1)
        assert (await caller.reinvite()).status == 200
        await heard_back_at_last(caller, 2)
        await caller.hang_up()
    assert (await server.next_record())["srtp"] == AES_80


@pytest.mark.parametrize("suite", [AES_80, GCM])
async def test_a_late_offer_is_srtp_where_it_is_required(server: Server, suite: str) -> None:
    async with secure_call(server.setup, host=REQUIRED, late=True, suites=(suite,)) as caller:
        await heard_back(caller, 1)
        await caller.hang_up()
    record = await server.next_record()
    assert (record["srtp"], record["end_reason"]) == (suite, "caller_hung_up")
    assert_no_key_in(server, caller)


async def test_a_late_offer_is_plain_where_srtp_is_optional(server: Server) -> None:
    async with secure_call(server.setup, host=OPTIONAL, late=True) as caller:
        await heard_back(caller, 1)
        await caller.hang_up()
        assert caller.answer is not None
        assert " RTP/AVP " in caller.answer.body
    assert (await server.next_record())["srtp"] is None


async def test_a_late_offer_answered_without_a_key_ends_the_call(server: Server) -> None:
    async with secure_call(server.setup, host=REQUIRED, late=True, keyless=True) as caller:
        bye = await caller.hung_up()
    assert bye.method == "BYE"
    record = await server.next_record()
    assert record["srtp"] is None
    assert record["end_reason"] != "caller_hung_up"


async def test_an_invite_without_offer_keeps_the_keys(server: Server) -> None:
    async with secure_call(server.setup, host=REQUIRED) as caller:
        await heard_back(caller, 1)
        offered = await caller.reinvite_without_offer()
        assert " RTP/SAVP " in offered.body
        await heard_back_at_last(caller, 2)
        await caller.hang_up()
    assert len(set(caller.server_keys)) == 1
    assert (await server.next_record())["srtp"] == AES_80
