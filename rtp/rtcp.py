"""RTCP: sender and receiver reports, SDES with a CNAME, BYE, and their compounds (RFC 3550, 6)."""

from dataclasses import dataclass
from struct import Struct, error

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203
CNAME = 1

NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""

_COMMON = Struct("!BBH")
_SSRC = Struct("!I")
_SENDER_INFO = Struct("!QIII")
_BLOCK = Struct("!IIIIII")


class RtcpError(ValueError):
    """The datagram is not an RTCP compound."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """A receiver on one source (RFC 3550, 6.4.1): jitter in timestamp units, delays in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    extended_highest: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR: what a sender says of itself, with its reception reports. `ntp` is the 64-bit timestamp."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR: reception reports of a participant that sends nothing."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES, of which only the CNAME is kept."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE of one or more sources."""

    ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye


def ntp_timestamp(unix_s: float) -> int:
    """The 64-bit NTP timestamp of a wall clock time (RFC 3550, 4)."""
    return int((unix_s + NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def compact_ntp(ntp: int) -> int:
    """The middle 32 bits of an NTP timestamp, in 1/65536 s: the form of LSR."""
    return ntp >> 16 & 0xFFFFFFFF


def round_trip_ms(block: ReportBlock, received_ntp: int) -> float | None:
    """The round trip that a report block proves, or None if it answers no SR of ours (RFC 3550, 6.4.1)."""
    if not block.last_sr:
        return None
    round_trip = (compact_ntp(received_ntp) - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
    # Clock rounding can make a short trip negative.
    return 0.0 if round_trip & 0x80000000 else round_trip * 1000 / 65536


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """The packets of a datagram; other types than these four are skipped. Raises RtcpError, nothing else."""
    packets: list[RtcpPacket] = []
    offset = 0
    try:
        while offset < len(data):
            flags, kind, words = _COMMON.unpack_from(data, offset)
            if flags & 0xC0 != 0x80:
                raise RtcpError(f"RTCP version {flags >> 6} is not 2")
            end = offset + 4 * (words + 1)
            if end > len(data):
                raise RtcpError("an RTCP packet is cut off")
            packets += _parse_one(kind, flags & 0x1F, data[offset + _COMMON.size : end])
            offset = end
    except error as cause:
        raise RtcpError("an RTCP packet is shorter than its contents") from cause
    return packets


def serialize_compound(packets: list[RtcpPacket]) -> bytes:
    """The datagram of these packets; a report first, as RFC 3550, 6.1 wants it, is the caller's business."""
    return b"".join(_serialize_one(packet) for packet in packets)


def _parse_one(kind: int, count: int, body: bytes) -> list[RtcpPacket]:
    if kind == SENDER_REPORT:
        (ssrc,) = _SSRC.unpack_from(body)
        ntp, timestamp, sent, octets = _SENDER_INFO.unpack_from(body, 4)
        return [SenderReport(ssrc, ntp, timestamp, sent, octets, _parse_blocks(body, 24, count))]
    if kind == RECEIVER_REPORT:
        (ssrc,) = _SSRC.unpack_from(body)
        return [ReceiverReport(ssrc, _parse_blocks(body, 4, count))]
    if kind == SOURCE_DESCRIPTION:
        return _parse_descriptions(body, count)
    if kind == GOODBYE:
        return [Goodbye(tuple(_SSRC.unpack_from(body, 4 * index)[0] for index in range(count)))]
    return []


def _parse_blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    return tuple(_parse_block(body, offset + _BLOCK.size * index) for index in range(count))


def _parse_block(body: bytes, offset: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
    cumulative = loss & 0xFFFFFF
    if cumulative & 0x800000:
        cumulative -= 0x1000000
    return ReportBlock(ssrc, loss >> 24, cumulative, highest, jitter, last_sr, delay)


def _parse_descriptions(body: bytes, count: int) -> list[RtcpPacket]:
    descriptions: list[RtcpPacket] = []
    offset = 0
    for _ in range(count):
        (ssrc,) = _SSRC.unpack_from(body, offset)
        offset += 4
        while offset < len(body) and body[offset]:
            item, size = body[offset : offset + 2].ljust(2, b"\0")
            if item == CNAME:
                text = body[offset + 2 : offset + 2 + size].decode("utf-8", "replace")
                descriptions.append(SourceDescription(ssrc, text))
            offset += 2 + size
        offset += 4 - offset % 4
    return descriptions


def _serialize_one(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport(ssrc, ntp, timestamp, sent, octets, blocks):
            info = _SENDER_INFO.pack(ntp, timestamp, sent & 0xFFFFFFFF, octets & 0xFFFFFFFF)
            return _framed(SENDER_REPORT, len(blocks), _SSRC.pack(ssrc) + info + _serialize_blocks(blocks))
        case ReceiverReport(ssrc, blocks):
            return _framed(RECEIVER_REPORT, len(blocks), _SSRC.pack(ssrc) + _serialize_blocks(blocks))
        case SourceDescription(ssrc, cname):
            name = cname.encode()[:255]
            item = bytes([CNAME, len(name)]) + name
            padding = bytes(4 - len(item) % 4)
            return _framed(SOURCE_DESCRIPTION, 1, _SSRC.pack(ssrc) + item + padding)
        case Goodbye(ssrcs):
            return _framed(GOODBYE, len(ssrcs), b"".join(map(_SSRC.pack, ssrcs)))


def _framed(kind: int, count: int, body: bytes) -> bytes:
    return _COMMON.pack(0x80 | count, kind, len(body) // 4) + body


def _serialize_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.cumulative_lost & 0xFFFFFF,
            block.extended_highest,
            block.jitter,
            block.last_sr,
            block.delay_since_last_sr,
        )
        for block in blocks
    )
