"""The SDP of one call over its life."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipagent.errors import NoCommonCodec, SdpError, SrtpRequired
from sipagent.sip import sdp
from sipagent.sip.exchange import SdpExchange
from sipagent.sip.messages import LocalMedia, NegotiatedMedia
from tests.sip import offers

LOCAL = LocalMedia("198.51.100.1", 20000, 20001, ("PCMU", "PCMA"))
G722_ALONE = offers.STATIC_TYPES_ALONE.replace("0 8", "9")
FROM_PJMEDIA = NegotiatedMedia("PCMA", 8, None, 20, "sendrecv", ("203.0.113.1", 4000), ("203.0.113.1", 4001))


def version(text: str | None) -> int:
    assert text is not None
    return int(text.split("\r\n")[1].split()[2])


def test_it_says_nothing_before_it_has_media() -> None:
    assert SdpExchange().next_text() is None


def test_an_answer_is_what_was_agreed() -> None:
    exchange = SdpExchange()
    _, agreed = exchange.answer(sdp.parse(offers.ASTERISK), LOCAL)
    assert exchange.outcome(FROM_PJMEDIA) == agreed


def test_to_an_offer_of_ours_the_peer_has_the_last_word() -> None:
    exchange = SdpExchange(LOCAL)
    text = exchange.next_text()
    assert text is not None
    assert sdp.parse(text).offered.plain == ("PCMU", "PCMA", "telephone-event")
    assert exchange.outcome(FROM_PJMEDIA) == FROM_PJMEDIA


def test_a_new_offer_is_answered_once_and_then_we_offer_again() -> None:
    exchange = SdpExchange(LOCAL)
    exchange.answer(sdp.parse(offers.ASTERISK), LOCAL)
    exchange.receive(offers.ASTERISK.replace("sendrecv", "sendonly"))
    answer = exchange.next_text()
    assert answer is not None
    assert "a=recvonly" in answer
    held = exchange.outcome(None)
    assert held is not None
    assert held.direction == "recvonly"
    assert version(exchange.next_text()) > version(answer)
    assert exchange.outcome(None) is None


def test_an_offer_that_is_refused_changes_nothing() -> None:
    exchange = SdpExchange(LOCAL)
    _, agreed = exchange.answer(sdp.parse(offers.ASTERISK), LOCAL)
    with pytest.raises(NoCommonCodec):
        exchange.receive(G722_ALONE)
    assert exchange.outcome(None) == agreed


# --- SRTP -------------------------------------------------------------------------------------------

WITH_SRTP = replace(LOCAL, srtp="required")
SRTP_WITH_ANOTHER_KEY = offers.SRTP_ALONE.replace("inline:d0", "inline:AA")


def test_keys_stay_through_a_hold_and_change_with_the_peers() -> None:
    exchange = SdpExchange(WITH_SRTP)
    _, first = exchange.answer(sdp.parse(offers.SRTP_ALONE), WITH_SRTP)
    _, held = exchange.answer(sdp.parse(offers.SRTP_ALONE + "a=sendonly\r\n"), WITH_SRTP)
    _, renewed = exchange.answer(sdp.parse(SRTP_WITH_ANOTHER_KEY), WITH_SRTP)
    assert (held.direction, held.srtp) == ("recvonly", first.srtp)
    assert first.srtp is not None
    assert renewed.srtp is not None
    assert renewed.srtp.receive_key != first.srtp.receive_key
    assert renewed.srtp.send_key != first.srtp.send_key


def test_a_refused_downgrade_changes_nothing() -> None:
    optional = replace(LOCAL, srtp="optional")
    exchange = SdpExchange(optional)
    _, agreed = exchange.answer(sdp.parse(offers.SRTP_ALONE), optional)
    with pytest.raises(SrtpRequired):
        exchange.receive(offers.STATIC_TYPES_ALONE)
    assert exchange.outcome(None) == agreed
    assert exchange.answer(sdp.parse(offers.SRTP_ALONE), optional)[1].srtp == agreed.srtp


def test_a_plain_call_may_become_a_secure_one() -> None:
    optional = replace(LOCAL, srtp="optional")
    exchange = SdpExchange(optional)
    assert exchange.answer(sdp.parse(offers.STATIC_TYPES_ALONE), optional)[1].srtp is None
    assert exchange.answer(sdp.parse(offers.SRTP_ALONE), optional)[1].srtp is not None


def test_the_key_in_an_answer_to_our_offer_is_taken_from_the_peers_sdp() -> None:
    exchange = SdpExchange(WITH_SRTP)
    ours = exchange.next_text()
    assert ours is not None
    offered = sdp.parse(ours).secure_audio
    assert offered is not None
    tag = next(value.split()[0] for value in offered.crypto if "HMAC_SHA1_80" in value)
    media = exchange.outcome(FROM_PJMEDIA, offers.SRTP_ALONE.replace("crypto:1", f"crypto:{tag}"))
    assert media is not None
    assert media.srtp is not None
    assert media.srtp.suite == "AES_CM_128_HMAC_SHA1_80"
    again = exchange.next_text()
    assert again is not None
    assert again.count("a=crypto") == 1


@pytest.mark.parametrize(
    "remote", ["", offers.STATIC_TYPES_ALONE, offers.SRTP_ALONE, offers.SRTP_ALONE[:-20]]
)
def test_an_answer_to_our_srtp_without_a_key_is_an_error(remote: str) -> None:
    exchange = SdpExchange(WITH_SRTP)
    exchange.next_text()
    with pytest.raises(SdpError):
        exchange.outcome(FROM_PJMEDIA, remote)


@pytest.mark.parametrize(
    ("message", "ours"),
    [
        ("SIP/2.0 180 Ringing\r\n\r\n", True),
        ("SIP/2.0 200 OK\r\n\r\nv=0\r\nm=audio 20000 RTP/AVP 0\r\n", True),
        ("SIP/2.0 200 OK\r\n\r\nv=0\r\nm=audio 0 RTP/AVP 0\r\nm=audio 20000 RTP/AVP 0\r\n", True),
        ("SIP/2.0 200 OK\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP 0\r\n", False),
        ("SIP/2.0 200 OK\r\n\r\nv=0\r\nm=audio 200 RTP/AVP 20000\r\n", False),
    ],
)
def test_it_knows_its_own_sdp(message: str, ours: bool) -> None:
    assert SdpExchange(LOCAL).is_ours(message) == ours
    assert SdpExchange().is_ours(message)
