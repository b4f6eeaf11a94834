"""The SDP of one call over its life."""

from __future__ import annotations

import pytest

from sipagent.errors import NoCommonCodec
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
    _, agreed = exchange.answer(offers.ASTERISK, LOCAL)
    assert exchange.outcome(FROM_PJMEDIA) == agreed


def test_to_an_offer_of_ours_the_peer_has_the_last_word() -> None:
    exchange = SdpExchange(LOCAL)
    text = exchange.next_text()
    assert text is not None
    assert sdp.parse(text).codecs == ("PCMU", "PCMA", "telephone-event")
    assert exchange.outcome(FROM_PJMEDIA) == FROM_PJMEDIA


def test_a_new_offer_is_answered_once_and_then_we_offer_again() -> None:
    exchange = SdpExchange(LOCAL)
    exchange.answer(offers.ASTERISK, LOCAL)
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
    _, agreed = exchange.answer(offers.ASTERISK, LOCAL)
    with pytest.raises(NoCommonCodec):
        exchange.receive(G722_ALONE)
    assert exchange.outcome(None) == agreed


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
