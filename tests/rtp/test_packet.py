from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.packet import PacketError, RtpPacket, is_rtcp, parse, serialize

PLAIN = bytes.fromhex("80 00 03e8 0000a000 1234abcd") + b"audio"


def test_a_plain_packet() -> None:
    assert parse(PLAIN) == RtpPacket(0, 1000, 0xA000, 0x1234ABCD, b"audio", marker=False)


def test_marker_and_payload_type_share_a_byte() -> None:
    packet = parse(PLAIN[:1] + bytes([0x80 | 101]) + PLAIN[2:])
    assert (packet.payload_type, packet.marker) == (101, True)


def test_csrcs_are_not_audio() -> None:
    assert parse(b"\x82" + PLAIN[1:12] + bytes(8) + b"audio").payload == b"audio"


def test_a_header_extension_is_not_audio() -> None:
    extension = bytes.fromhex("bede 0002") + bytes(8)
    assert parse(b"\x90" + PLAIN[1:12] + extension + b"audio").payload == b"audio"


def test_padding_is_not_audio() -> None:
    assert parse(b"\xa0" + PLAIN[1:] + bytes(3) + b"\x04").payload == b"audio"


def test_csrcs_extension_and_padding_together() -> None:
    extension = bytes.fromhex("1000 0001 00000000")
    packet = parse(b"\xb1" + PLAIN[1:12] + bytes(4) + extension + b"audio" + b"\0\0\x03")
    assert packet.payload == b"audio"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too few"),
        (PLAIN[:11], "too few"),
        (b"\x40" + PLAIN[1:], "version 1"),
        (b"\x8f" + PLAIN[1:], "exceed"),
        (b"\x90" + PLAIN[1:14], "cut off"),
        (b"\x90" + PLAIN[1:12] + b"\0\0\xff\xff", "exceed"),
        (b"\xa0" + PLAIN[1:] + b"\0", "padding"),
        (b"\xa0" + PLAIN[1:] + b"\xff", "exceed"),
    ],
)
def test_malformed_packets_name_their_fault(data: bytes, reason: str) -> None:
    with pytest.raises(PacketError, match=reason):
        parse(data)


def test_rtcp_is_told_apart_on_a_shared_port() -> None:
    assert is_rtcp(bytes([0x80, 200]) + bytes(26))
    assert not is_rtcp(PLAIN)
    assert not is_rtcp(b"\x80" + bytes([0x80 | 101]) + PLAIN[2:])
    assert not is_rtcp(b"")


@given(
    st.builds(
        RtpPacket,
        payload_type=st.integers(0, 127),
        sequence=st.integers(0, 0xFFFF),
        timestamp=st.integers(0, 0xFFFFFFFF),
        ssrc=st.integers(0, 0xFFFFFFFF),
        payload=st.binary(max_size=400),
        marker=st.booleans(),
    )
)
def test_what_is_serialized_parses_back(packet: RtpPacket) -> None:
    assert parse(serialize(packet)) == packet


@given(st.binary(max_size=80) | st.binary(min_size=12, max_size=80).map(lambda data: b"\xbf" + data))
def test_any_bytes_are_a_packet_or_a_packet_error(data: bytes) -> None:
    with suppress(PacketError):
        parse(data)
