"""RTP packets on the wire (RFC 3550, 5.1), told from RTCP (RFC 5761, 4) and STUN (RFC 7983)."""

from struct import Struct
from typing import NamedTuple

HEADER = Struct("!BBHII")
_EXTENSION = Struct("!HH")

VERSION_2 = 0x80
PADDING = 0x20
EXTENSION = 0x10
CSRC_COUNT = 0x0F
MARKER = 0x80


class PacketError(ValueError):
    """The datagram is not an RTP packet."""


class RtpPacket(NamedTuple):
    """What matters of one RTP packet; CSRCs, header extension and padding are already gone.

    A NamedTuple because one is built for every datagram: a frozen dataclass costs four times as much.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def parse(data: bytes) -> RtpPacket:
    """The packet in one datagram. Raises PacketError, and nothing else, on anything malformed."""
    if len(data) < HEADER.size:
        raise PacketError(f"{len(data)} bytes are too few for an RTP header")
    flags, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    payload = data[12:] if flags == VERSION_2 else _payload(data, flags)
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, payload, second >= MARKER)


def serialize(packet: RtpPacket) -> bytes:
    """The datagram of a packet, with the plain 12-byte header."""
    return header(*packet[:4], packet.marker) + packet.payload


def header(payload_type: int, sequence: int, timestamp: int, ssrc: int, marker: bool = False) -> bytes:
    """The plain 12-byte header; every argument already within its width."""
    return HEADER.pack(
        VERSION_2, payload_type | MARKER if marker else payload_type, sequence, timestamp, ssrc
    )


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram on a port that carries both is RTCP: packet types 192..223 (RFC 5761, 4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN: its first byte is 0..3 (RFC 7983, 7)."""
    return len(data) > 0 and data[0] <= 3


def _payload(data: bytes, flags: int) -> bytes:
    if flags & 0xC0 != VERSION_2:
        raise PacketError(f"RTP version {flags >> 6} is not 2")
    start = HEADER.size + 4 * (flags & CSRC_COUNT)
    if flags & EXTENSION:
        if len(data) < start + _EXTENSION.size:
            raise PacketError("the header extension is cut off")
        _, words = _EXTENSION.unpack_from(data, start)
        start += _EXTENSION.size + 4 * words
    end = len(data) - _padding(data, flags)
    if start > end:
        raise PacketError("CSRCs, extension and padding exceed the packet")
    return data[start:end]


def _padding(data: bytes, flags: int) -> int:
    if not flags & PADDING:
        return 0
    if data[-1] == 0:
        raise PacketError("a padding length of zero does not count itself")
    return data[-1]
