"""Calls from and to SIPp over real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_a_call_is_answered_and_hung_up_by_the_caller(agent: Any, sipp: Any, transport: str) -> None:
    async with agent() as server:
        await sipp("uac-pcmu-answered", server.port, "-t", transport)
        invite = await server.next("invite")
        assert invite["transport"] == {"u1": "udp", "t1": "tcp"}[transport]
        assert (await server.next("answered"))["agreed"]["codec"] == "PCMU"
        media = (await server.next("MediaNegotiated"))["media"]
        assert media["remote_rtp"][0] == "127.0.0.1"
        assert media["dtmf_payload_type"] == 101
        await server.next("CallConfirmed")
        end = await server.next("CallDisconnected")
        assert (end["sip_status"], end["by_remote"]) == (200, True)


async def test_our_preference_decides_the_codec(agent: Any, sipp: Any) -> None:
    async with agent(codecs=["PCMA", "PCMU"]) as server:
        with pytest.raises(AssertionError, match="m=audio 40000 RTP/AVP 8 101"):
            await sipp("uac-pcmu-answered", server.port)


async def test_a_late_offer_is_negotiated_with_the_ack(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-late-offer-answered", server.port)
        assert (await server.next("invite"))["offer"] is None
        assert (await server.next("answered"))["agreed"] is None
        media = (await server.next("MediaNegotiated"))["media"]
        assert (media["codec"], media["ptime_ms"], media["direction"]) == ("PCMA", 20, "sendrecv")
        assert media["dtmf_payload_type"] == 101


async def test_a_late_offer_that_is_never_answered_ends_the_call(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-late-offer-unanswered-bye", server.port)
        assert (await server.next("CallDisconnected"))["by_remote"] is False


async def test_cancel_while_ringing(agent: Any, sipp: Any) -> None:
    async with agent(answer=False) as server:
        await sipp("uac-cancel-while-ringing-487", server.port)
        end = await server.next("CallDisconnected")
        assert (end["sip_status"], end["by_remote"]) == (487, True)


async def test_a_call_that_pjsip_has_lost_comes_to_its_end(agent: Any, sipp: Any) -> None:
    async with agent(answer=False, lose=True) as server:
        with pytest.raises(AssertionError, match=r"SIP/2\.0 603"):
            await sipp("uac-cancel-while-ringing-487", server.port)
        end = await server.next("CallDisconnected")
        assert (end["reason"], end["by_remote"]) == ("pjsip has lost the dialog", False)


async def test_hold_codec_change_and_empty_reinvite(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-hold-resume-reinvited", server.port)
        media = [event["media"] for event in await server.events(4, "MediaNegotiated")]
        assert [m["direction"] for m in media] == ["sendrecv", "recvonly", "sendrecv", "sendrecv"]
        assert [m["codec"] for m in media] == ["PCMU", "PCMU", "PCMA", "PCMU"]
        assert [m["remote_rtp"][1] for m in media[2:]] == [6200, 6300]


async def test_hold_by_zero_address(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-hold-by-zero-address-answered", server.port)
        media = [event["media"] for event in await server.events(2, "MediaNegotiated")]
        assert media[1]["direction"] == "recvonly"


async def test_a_reinvite_that_cannot_be_met_leaves_the_call_alone(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-reinvite-without-common-codec-488", server.port)
        kinds = [event["event"] for event in await server.events(6)]
        assert kinds == [
            "invite",
            "answered",
            "MediaNegotiated",
            "CallConfirmed",
            "MediaNegotiated",
            "CallDisconnected",
        ]


async def test_what_pjsip_refuses_by_itself_is_reported(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-g729-only-488", server.port)
        rejected = await server.next("rejected")
        assert (rejected["status"], rejected["reason_code"]) == (488, "no_common_codec")


async def test_srtp_alone_is_ours_to_refuse(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-srtp-only-488", server.port)
        assert "RTP/SAVP" in (await server.next("invite"))["offer"]
        assert (await server.next("CallDisconnected"))["sip_status"] == 488


async def test_a_refusal_says_why(agent: Any, sipp: Any) -> None:
    async with agent(refuse=True) as server:
        await sipp("uac-over-limit-503", server.port)
        end = await server.next("CallDisconnected")
        assert (end["sip_status"], end["by_remote"]) == (503, False)


async def test_options_is_answered(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-options-200", server.port)


async def test_what_would_let_others_call_through_us_is_declined(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-refer-603", server.port)
        kinds = [event["event"] for event in await server.events(5)]
        assert kinds == ["invite", "answered", "MediaNegotiated", "CallConfirmed", "CallDisconnected"]
        await sipp("uac-subscribe-489", server.port)


@pytest.mark.parametrize("scenario", ["uac-large-reinvite-answered", "uac-six-media-lines-answered"])
async def test_offers_of_unusual_size(agent: Any, sipp: Any, scenario: str) -> None:
    async with agent() as server:
        await sipp(scenario, server.port)
        assert (await server.next("CallDisconnected"))["sip_status"] == 200


async def test_an_agent_can_be_started_again(agent: Any, sipp: Any) -> None:
    async with agent(restart=True) as server:
        await sipp("uac-pcmu-answered", server.port)


@pytest.mark.parametrize("uri", ["nonsense", "sip:", "sip:+15550002@127.0.0.1;transport=tls"])
async def test_a_call_that_cannot_be_placed(agent: Any, uri: str) -> None:
    async with agent(call=uri) as server:
        end = await server.next("CallDisconnected")
        assert (end["sip_status"], end["by_remote"]) == (503, False)
        assert end["reason"]


async def test_a_port_in_use_is_a_configuration_error(agent: Any) -> None:
    async with agent() as server:
        with pytest.raises(
            AssertionError, match=f"sip.listen_udp: can't listen on 127.0.0.1:{server.port}: Address already"
        ):
            async with agent(sip={"listen_udp": f"127.0.0.1:{server.port}"}):
                pass


@pytest.mark.parametrize("scenario", ["uac-pcmu-answered", "uac-late-offer-answered"])
async def test_a_call_over_ipv6(agent: Any, sipp: Any, port: int, scenario: str) -> None:
    sip = {"listen_udp": f"[::1]:{port}", "listen_tcp": None}
    async with agent(sip=sip, trunk={"allowed_addresses": ["::1"]}, address="::1") as server:
        await sipp(scenario, port, address="::1")
        assert (await server.next("invite"))["source_ip"] == "::1"
        assert (await server.next("MediaNegotiated"))["media"]["remote_rtp"][0] == "::1"
        assert (await server.next("CallDisconnected"))["sip_status"] == 200


async def test_an_unlisted_source_gets_no_answer(agent: Any, sipp: Any) -> None:
    async with agent(trunk={"allowed_addresses": ["127.0.0.1"]}) as server:
        await sipp("uac-unlisted-source-no-answer", server.port, address="127.0.0.2")
        await sipp("uac-pcmu-answered", server.port)


async def test_a_digit_by_info(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-info-digit-200", server.port)
        digit = await server.next("InfoDigit")
        assert (digit["digit"], digit["duration_ms"]) == ("5", 160)


async def test_a_call_that_is_never_acknowledged_is_ended(
    agent: Any, sipp: Any, fast_clock: dict[str, str]
) -> None:
    async with agent(environment=fast_clock) as server:  # it waits for 64 T1, which are 32 s
        await sipp("uac-no-ack-bye", server.port)
        end = await server.next("CallDisconnected")
        assert (end["sip_status"], end["by_remote"]) == (408, False)


async def test_the_agent_hangs_up(agent: Any, sipp: Any) -> None:
    async with agent(hang_up=True) as server:
        await sipp("uac-hung-up-by-agent-200", server.port)
        assert (await server.next("CallDisconnected"))["by_remote"] is False


async def test_a_placed_call_is_answered(agent: Any, sipp: Any, port: int) -> None:
    callee = asyncio.create_task(sipp("uas-pcma-hung-up-by-agent", 0, port=port))
    async with agent(call=f"sip:+15550002@127.0.0.1:{port}", hang_up=True) as server:
        progress = await server.next("CallProgress")
        assert progress["sip_status"] == 180
        media = (await server.next("MediaNegotiated"))["media"]
        assert (media["codec"], media["payload_type"]) == ("PCMA", 8)
        assert (await server.next("CallDisconnected"))["by_remote"] is False
        await callee


async def test_a_placed_call_over_srtp(agent: Any, sipp: Any, port: int) -> None:
    callee = asyncio.create_task(sipp("uas-srtp-hung-up-by-agent", 0, port=port))
    async with agent(call=f"sip:+15550002@127.0.0.1:{port}", srtp="required", hang_up=True) as server:
        srtp = (await server.next("MediaNegotiated"))["media"]["srtp"]
        assert srtp["suite"] == "AES_CM_128_HMAC_SHA1_80"
        assert srtp["receive_key"] == "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
        assert (await server.next("CallDisconnected"))["by_remote"] is False
        await callee


async def test_a_placed_call_that_is_answered_without_its_srtp_ends(agent: Any, sipp: Any, port: int) -> None:
    callee = asyncio.create_task(sipp("uas-pcma-hung-up-by-agent", 0, port=port))
    async with agent(call=f"sip:+15550002@127.0.0.1:{port}", srtp="required") as server:
        first = await server.next("MediaNegotiated", "CallDisconnected")
        assert first["event"] == "CallDisconnected"
        await callee


async def test_a_placed_call_that_is_busy(agent: Any, sipp: Any, port: int) -> None:
    callee = asyncio.create_task(sipp("uas-busy-486", 0, port=port))
    async with agent(call=f"sip:+15550002@127.0.0.1:{port}") as server:
        end = await server.next("CallDisconnected")
        assert (end["sip_status"], end["by_remote"]) == (486, True)
        await callee


async def test_a_placed_call_that_nobody_answers_is_given_up(
    agent: Any, port: int, fast_clock: dict[str, str]
) -> None:
    options = {"call": f"sip:+15550002@127.0.0.1:{port}", "give_up": True}
    async with agent(environment=fast_clock, **options) as server:
        assert (await server.next("CallDisconnected"))["by_remote"] is False


async def test_a_hundred_calls_at_once(agent: Any, sipp: Any) -> None:
    async with agent() as server:
        await sipp("uac-pcmu-answered", server.port, "-m", "100", "-r", "100", "-l", "100")
        ends = await server.events(100, "CallDisconnected")
        assert {end["sip_status"] for end in ends} == {200}


async def test_stopping_ends_the_calls_that_are_left(agent: Any, sipp: Any) -> None:
    async with agent(answer=False) as server:
        caller = asyncio.create_task(sipp("uac-stopped-while-ringing-503", server.port))
        await server.next("invite")
        await server.stop()
        await caller
