"""Offers and answers of a telephone: one stream of G.711, and telephone events (RFC 4566, RFC 4733)."""

from __future__ import annotations

from collections.abc import Sequence

from tests.e2e.support.sip import Address
from tests.e2e.support.talker import PAYLOAD_TYPES, TELEPHONE_EVENT


def offer(rtp: Address, codecs: Sequence[str], ptime_ms: int) -> str:
    """`rtp` is where audio is to be sent; the codec that is liked most goes first."""
    host, port = rtp
    here = f"IN IP{6 if ':' in host else 4} {host}"
    types = " ".join(str(PAYLOAD_TYPES[codec]) for codec in codecs)
    lines = [
        "v=0",
        f"o=- 1 1 {here}",
        "s=-",
        f"c={here}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {types} {TELEPHONE_EVENT}",
        f"a=rtpmap:{TELEPHONE_EVENT} telephone-event/8000",
        f"a=ptime:{ptime_ms}",
        "",
    ]
    return "\r\n".join(lines)


def agreed(answer: str) -> tuple[str, Address]:
    """The codec to speak, and where to."""
    kind = next(line for line in answer.split("\r\n") if line.startswith("m=audio"))
    host = next(line for line in answer.split("\r\n") if line.startswith("c=")).split()[2]
    port, first_type = int(kind.split()[1]), int(kind.split()[3])
    codec = next(name for name, number in PAYLOAD_TYPES.items() if number == first_type)
    return codec, (host, port)
