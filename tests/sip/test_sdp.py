"""Reading SDP: what real peers send, and what nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.errors import SdpError
from sipagent.sip import sdp
from sipagent.sip.sdp import Codec
from tests.sip import offers


@pytest.mark.parametrize(
    ("offer", "codecs"),
    [
        (offers.TWILIO, ("PCMU", "telephone-event")),
        (offers.TELNYX, ("G722", "PCMU", "PCMA", "G729", "telephone-event")),
        (offers.ASTERISK, ("PCMA", "PCMU", "telephone-event")),
        (offers.CISCO, ("G729", "PCMU", "telephone-event")),
        (offers.FREESWITCH_WITH_VIDEO, ("opus", "PCMU", "PCMA", "telephone-event", "telephone-event", "CN")),
        (offers.STATIC_TYPES_ALONE, ("PCMU", "PCMA")),
        (offers.SRTP_ALONE, ()),
    ],
)
def test_codecs_of_real_offers(offer: str, codecs: tuple[str, ...]) -> None:
    assert sdp.parse(offer).offered.plain == (codecs or None)


def test_a_media_line_with_all_it_says() -> None:
    media = sdp.parse(offers.CISCO).audio
    assert media is not None
    assert (media.port, media.proto, media.formats) == (16452, "RTP/AVP", ("18", "0", "101"))
    assert (media.address, media.direction) == ("203.0.113.20", "sendrecv")
    assert media.codecs[101] == Codec("telephone-event", 8000)
    assert media.fmtp == {18: "annexb=no", 101: "0-15"}
    assert (media.ptime_ms, media.maxptime_ms) == (240, None)


def test_lf_alone_ends_a_line_too() -> None:
    assert sdp.parse(offers.TWILIO.replace("\r\n", "\n")) == sdp.parse(offers.TWILIO)


@pytest.mark.parametrize(
    ("lines", "address", "direction"),
    [
        ("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0", "192.0.2.1", "sendrecv"),
        ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.2", "192.0.2.2", "sendrecv"),
        ("a=sendonly\nm=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::1", "2001:db8::1", "sendonly"),
        ("a=sendonly\nm=audio 4000/1 RTP/AVP 0\nc=IN IP4 224.2.1.1/127\na=inactive", "224.2.1.1", "inactive"),
        ("m=audio 4000 RTP/AVP 0", None, "sendrecv"),
    ],
)
def test_media_over_session_level(lines: str, address: str | None, direction: str) -> None:
    (media,) = sdp.parse(f"v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\n{lines}\n").media
    assert (media.address, media.direction) == (address, direction)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("a=rtcp:53020", (None, 53020)),
        ("a=rtcp:53020 IN IP4 192.0.2.7", ("192.0.2.7", 53020)),
        ("a=rtcp:0", None),
        ("a=rtcp:x IN IP4", None),
        ("a=rtcp:", None),
        ("a=rtcp", None),
    ],
)
def test_rtcp_attribute(attribute: str, expected: tuple[str | None, int] | None) -> None:
    (media,) = sdp.parse(f"v=0\nm=audio 4000 RTP/AVP 0\n{attribute}").media
    assert media.rtcp == expected


@pytest.mark.parametrize(
    "attribute",
    ["a=rtpmap:", "a=rtpmap:0", "a=rtpmap:0 PCMU", "a=rtpmap:0 PCMU/x", "a=rtpmap:x PCMU/8000", "a=", "a=:"],
)
def test_a_malformed_attribute_counts_as_absent(attribute: str) -> None:
    (media,) = sdp.parse(f"v=0\nm=audio 4000 RTP/AVP 0 96\n{attribute}").media
    assert media.codecs == {0: Codec("PCMU", 8000)}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "without a type"),
        ("hello", "without a type"),
        ("m=audio 4000 RTP/AVP 0", "v=0"),
        ("v=1\nm=audio 4000 RTP/AVP 0", "v=0"),
        ("v=0\nm=audio", "media line"),
        ("v=0\nm=audio 4000 RTP/AVP", "media line"),
        ("v=0\nm=audio -1 RTP/AVP 0", "media line"),
        ("v=0\nm=audio 65536 RTP/AVP 0", "media line"),
        ("v=0\nm=audio ٣ RTP/AVP 0", "media line"),
        ("v=0\nm=audio 4000 RTP/AVP 0 \udcff", "media line"),
        ("v=0\nc=IN IP4\nm=audio 4000 RTP/AVP 0", "connection line"),
        ("v=0\nc=IN IP5 192.0.2.1", "connection line"),
        ("v=0\n\nm=audio 4000 RTP/AVP 0", "without a type"),
        ("v=0\ns=\0\nm=audio 4000 RTP/AVP 0", "control character"),
        ("v=0\ns=" + "x" * 2000, "characters"),
        ("v=0\n" + "a=x\n" * 101, "attributes"),
        ("v=0\nm=audio 1 RTP/AVP 0\n" + "a=crypto:1 x\n" * 101, "attributes"),
        ("v=0\n" + "m=audio 1 RTP/AVP 0\n" * 17, "media lines"),
        ("v=0\n" + "i=x\n" * 5000, "bytes"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(SdpError, match=complaint):
        sdp.parse(text)


def test_keys_are_in_no_representation() -> None:
    description = sdp.parse(offers.SRTP_ALONE)
    assert description.media[0].crypto
    assert "inline" not in repr(description)


LINES = st.sampled_from([*offers.FREESWITCH_WITH_VIDEO.splitlines(), *offers.SRTP_ALONE.splitlines()])
MANGLED = st.tuples(LINES, st.integers(0, 80), st.text(max_size=6)).map(
    lambda m: m[0][: m[1]] + m[2] + m[0][m[1] :]
)


@given(
    st.one_of(
        st.text(st.characters()), st.lists(st.one_of(LINES, MANGLED, st.text(max_size=20))).map("\r\n".join)
    )
)
def test_anything_is_read_or_refused(text: str) -> None:
    for candidate in (text, "v=0\r\n" + text):
        try:
            description = sdp.parse(candidate)
        except SdpError:
            continue
        assert all(0 <= media.port <= 65535 for media in description.media)
