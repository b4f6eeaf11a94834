"""Offer and answer: what we say to an offer, and what it comes to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.errors import BadMediaAddress, NoCommonCodec, ReasonCode, SdpError
from sipagent.sip import negotiation, sdp
from sipagent.sip.addresses import Surroundings
from sipagent.sip.messages import LocalMedia, NegotiatedMedia
from tests.sip import offers
from tests.sip.negotiated import LOCAL, agreed, answer, no_keys, offer_with

LOCAL_V6 = LocalMedia("2001:db8::1", 20000, 20001, ("PCMU", "PCMA"))


def test_a_whole_answer() -> None:
    text, media = answer(offers.ASTERISK)
    assert text.split("\r\n") == [
        "v=0",
        "o=- 77 3 IN IP4 198.51.100.1",
        "s=-",
        "c=IN IP4 198.51.100.1",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]
    assert media == NegotiatedMedia(
        codec="PCMU",
        payload_type=0,
        dtmf_payload_type=101,
        ptime_ms=20,
        direction="sendrecv",
        remote_rtp=("203.0.113.9", 10962),
        remote_rtcp=("203.0.113.9", 10963),
    )


def test_a_whole_offer() -> None:
    local = replace(LOCAL, codecs=("PCMA", "PCMU"), ptime_ms=30)
    text = negotiation.offer(local, no_keys(), session_id=7, version=1)
    assert text.split("\r\n")[5:] == [
        "m=audio 20000 RTP/AVP 8 0 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:30",
        "a=sendrecv",
        "",
    ]


@pytest.mark.parametrize(
    ("offer", "preference", "codec", "payload_type"),
    [
        (offers.ASTERISK, ("PCMU", "PCMA"), "PCMU", 0),
        (offers.ASTERISK, ("PCMA", "PCMU"), "PCMA", 8),
        (offers.ASTERISK, ("PCMA",), "PCMA", 8),
        (offers.FREESWITCH_WITH_VIDEO, ("PCMA", "PCMU"), "PCMA", 8),
        (offers.STATIC_TYPES_ALONE, ("PCMU",), "PCMU", 0),
        (offer_with("a=rtpmap:97 PCMA/8000", formats="97"), ("PCMU", "PCMA"), "PCMA", 97),
    ],
)
def test_our_preference_among_the_offered(
    offer: str, preference: tuple[str, ...], codec: str, payload_type: int
) -> None:
    media = agreed(offer, replace(LOCAL, codecs=preference))
    assert (media.codec, media.payload_type) == (codec, payload_type)


@pytest.mark.parametrize(
    "offer",
    [
        offer_with(formats="18 9"),
        offer_with("a=rtpmap:0 opus/48000/2", formats="0"),
        offer_with("a=rtpmap:96 PCMU/16000", formats="96"),
        offer_with("a=rtpmap:96 PCMU/8000/2", formats="96"),
        offer_with("a=rtpmap:101 telephone-event/8000", formats="101"),
        offer_with(formats="x"),
    ],
)
def test_no_common_codec(offer: str) -> None:
    with pytest.raises(NoCommonCodec) as caught:
        answer(offer)
    assert (caught.value.sip_status, caught.value.reason_code) == (488, ReasonCode.NO_COMMON_CODEC)


@pytest.mark.parametrize(
    ("offer", "payload_type"),
    [(offers.TWILIO, 101), (offers.FREESWITCH_WITH_VIDEO, 101), (offers.STATIC_TYPES_ALONE, None)],
)
def test_telephone_event_at_8000_keeps_its_type(offer: str, payload_type: int | None) -> None:
    text, media = answer(offer)
    assert media.dtmf_payload_type == payload_type
    assert ("telephone-event" in text) == (payload_type is not None)


@pytest.mark.parametrize(
    ("lines", "ours_ms", "ptime_ms"),
    [
        ((), 20, 20),
        ((), 30, 30),
        (("a=ptime:30",), 20, 30),
        (("a=ptime:10",), 20, 10),
        (("a=ptime:60",), 20, 60),
        (("a=ptime:240",), 20, 20),
        (("a=ptime:0",), 20, 20),
        (("a=ptime:5",), 20, 20),
        (("a=ptime:25",), 20, 20),
        (("a=ptime:x",), 20, 20),
        (("a=ptime:40", "a=maxptime:30"), 20, 30),
        (("a=maxptime:20",), 40, 20),
        (("a=maxptime:1",), 20, 10),
    ],
)
def test_packet_time(lines: tuple[str, ...], ours_ms: int, ptime_ms: int) -> None:
    assert agreed(offer_with(*lines), replace(LOCAL, ptime_ms=ours_ms)).ptime_ms == ptime_ms


@pytest.mark.parametrize(
    ("theirs", "address", "ours"),
    [
        ("sendrecv", "203.0.113.30", "sendrecv"),
        ("sendonly", "203.0.113.30", "recvonly"),
        ("recvonly", "203.0.113.30", "sendonly"),
        ("inactive", "203.0.113.30", "inactive"),
        ("sendrecv", "0.0.0.0", "recvonly"),
        ("sendonly", "0.0.0.0", "recvonly"),
        ("recvonly", "0.0.0.0", "inactive"),
        ("inactive", "0.0.0.0", "inactive"),
    ],
)
def test_direction(theirs: str, address: str, ours: str) -> None:
    text, media = answer(offer_with(f"a={theirs}", address=address))
    assert media.direction == ours
    assert f"a={ours}\r\n" in text


def test_other_media_is_rejected_in_its_place() -> None:
    text, media = answer(offers.FREESWITCH_WITH_VIDEO)
    assert [line for line in text.split("\r\n") if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 96",
        "m=audio 20000 RTP/AVP 0 101",
        "m=image 0 UDPTL t38",
    ]
    assert media.remote_rtp == ("203.0.113.11", 30268)


def test_only_one_of_two_audio_lines_is_taken() -> None:
    text, media = answer(offer_with("m=audio 6000 RTP/AVP 8"))
    assert "m=audio 0 RTP/AVP 8" in text
    assert media.remote_rtp[1] == 5004


def test_rtcp_where_the_peer_says() -> None:
    assert agreed(offer_with("a=rtcp:7001 IN IP4 203.0.113.31")).remote_rtcp == ("203.0.113.31", 7001)
    assert agreed(offer_with("a=rtcp:7001")).remote_rtcp == ("203.0.113.30", 7001)
    assert "a=rtcp:30000\r\n" in answer(offer_with(), replace(LOCAL, rtcp_port=30000))[0]


def test_rtcp_is_not_sent_to_our_own_machine() -> None:
    assert agreed(offer_with("a=rtcp:7001 IN IP4 0.0.0.0")).remote_rtcp == ("203.0.113.30", 7001)


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::ffff:203.0.113.30", "fe80::1%eth0", "fe80::1%é"])
def test_no_other_name_for_an_ipv4_address_or_an_interface(address: str) -> None:
    with pytest.raises(SdpError, match="mapped"):
        answer(offer_with(address=address), LOCAL_V6)


def test_ipv6() -> None:
    text, media = answer(offer_with(address="2001:db8::2"), LOCAL_V6)
    assert "c=IN IP6 2001:db8::1\r\n" in text
    assert media.remote_rtp == ("2001:db8::2", 5004)


@pytest.mark.parametrize(
    ("offer", "complaint"),
    [
        (offers.STATIC_TYPES_ALONE.replace("audio 5004", "audio 0"), "no RTP audio"),
        (offers.STATIC_TYPES_ALONE.replace("audio", "video"), "no RTP audio"),
        (offers.SRTP_ALONE.replace("RTP/SAVP", "UDP/TLS/RTP/SAVP"), "no RTP audio"),
        ("v=0", "no RTP audio"),
        ("v=0\nm=audio 5004 RTP/AVP 0", "without a connection address"),
        (offer_with(address="peer.example"), "not an IP address"),
        (offer_with(address="2001:db8::2"), "IPv6"),
    ],
)
def test_what_is_refused(offer: str, complaint: str) -> None:
    with pytest.raises(SdpError, match=complaint) as caught:
        answer(offer)
    assert (caught.value.sip_status, caught.value.reason_code) == (488, ReasonCode.BAD_OFFER)


@pytest.mark.parametrize(
    "offer",
    [
        offer_with(address="224.2.1.1"),
        offer_with(address="127.0.0.1"),
        offer_with("a=rtcp:7001 IN IP4 127.0.0.1"),
        offer_with("a=rtcp:20001 IN IP4 198.51.100.1"),
    ],
)
def test_nothing_is_sent_where_it_must_not(offer: str) -> None:
    around = Surroundings(frozenset({ip_address("198.51.100.1")}), (range(20_000, 20_002),))
    local = replace(LOCAL, around=around)
    with pytest.raises(BadMediaAddress):
        answer(offer, local)
    with pytest.raises(BadMediaAddress):
        negotiation.check_offer(sdp.parse(offer), local)


LINES = st.sampled_from(offers.FREESWITCH_WITH_VIDEO.splitlines())
MANGLED = st.tuples(LINES, st.integers(0, 40), st.text(max_size=4)).map(
    lambda m: m[0][: m[1]] + m[2] + m[0][m[1] :]
)


@given(st.lists(st.one_of(LINES, MANGLED)).map("\r\n".join))
def test_anything_is_answered_readably_or_refused(text: str) -> None:
    try:
        reply, media = answer("v=0\r\nc=IN IP4 203.0.113.1\r\n" + text)
    except SdpError:
        return
    audio = sdp.parse(reply).audio
    assert audio is not None
    assert audio.codecs[media.payload_type].name == media.codec


@pytest.mark.parametrize(
    ("offered", "ours"),
    [
        ("sendrecv", "sendonly"),
        ("sendonly", "inactive"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
    ],
)
def test_a_peer_that_we_hold_is_not_listened_to_whatever_it_offers(offered: str, ours: str) -> None:
    text, media = answer(offer_with(f"a={offered}"), replace(LOCAL, held=True))
    assert media.direction == ours
    assert f"a={ours}" in text


def test_our_offer_puts_the_peer_on_hold_and_takes_it_up_again() -> None:
    for held, direction in ((True, "sendonly"), (False, "sendrecv")):
        text = negotiation.offer(replace(LOCAL, held=held), no_keys(), session_id=1, version=1)
        assert f"a={direction}" in text
