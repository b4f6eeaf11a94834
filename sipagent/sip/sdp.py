"""Reading SDP (RFC 8866), pure. Offer and answer are in `negotiation`.

Strict about what every session needs (version, media lines, connection addresses), tolerant about the rest: a
malformed attribute counts as absent, unknown lines are skipped. The only error raised is `SdpError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from sipagent.errors import SdpError
from sipagent.sip import crypto
from sipagent.sip.messages import Direction, OfferedAudio

MAX_BYTES = 16_384
MAX_LINE = 1_024
MAX_ATTRIBUTES = 100
MAX_MEDIA = 16

DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}


@dataclass(frozen=True, slots=True)
class Codec:
    """What a payload type stands for. `name` is the encoding name in its registered spelling."""

    name: str
    clock_rate: int
    channels: int = 1


#: Payload types that need no rtpmap (RFC 3551), of the codecs that telephony offers.
STATIC_CODECS = {
    0: Codec("PCMU", 8000),
    3: Codec("GSM", 8000),
    4: Codec("G723", 8000),
    8: Codec("PCMA", 8000),
    9: Codec("G722", 8000),
    13: Codec("CN", 8000),
    18: Codec("G729", 8000),
}
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f]")
_SPELLING = {name.lower(): name for name in ("PCMU", "PCMA", "telephone-event")}


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One `m=` line with what follows it, the session's values filled in where it has none of its own.

    `crypto` holds the `a=crypto` values as they came: keys, so they are kept out of every representation.
    """

    kind: str
    port: int
    proto: str
    formats: tuple[str, ...]
    address: str | None
    direction: Direction
    codecs: dict[int, Codec]
    fmtp: dict[int, str]
    ptime_ms: int | None
    maxptime_ms: int | None
    rtcp: tuple[str | None, int] | None
    crypto: tuple[str, ...] = field(repr=False)

    @property
    def is_usable_audio(self) -> bool:
        return self.kind == "audio" and self.port != 0 and self.proto == "RTP/AVP"

    @property
    def is_secure_audio(self) -> bool:
        return self.kind == "audio" and self.port != 0 and self.proto == "RTP/SAVP"

    @property
    def codec_names(self) -> tuple[str, ...]:
        return tuple(codec.name for codec in self.codecs.values())


@dataclass(frozen=True, slots=True)
class SessionDescription:
    media: tuple[MediaDescription, ...]

    @property
    def audio(self) -> MediaDescription | None:
        """The plain audio line that we'd answer: the first one that is not rejected."""
        return next((media for media in self.media if media.is_usable_audio), None)

    @property
    def secure_audio(self) -> MediaDescription | None:
        """The same for SRTP with its keys in SDP."""
        return next((media for media in self.media if media.is_secure_audio), None)

    @property
    def offered(self) -> OfferedAudio:
        """What could be taken of an offer; names in the offer's order, `PCMU` and `telephone-event` among
        them. Raises `SdpError` for a flood of crypto lines."""
        plain, secure = self.audio, self.secure_audio
        return OfferedAudio(
            plain.codec_names if plain else None,
            secure.codec_names if secure else None,
            tuple(line.suite for line in crypto.usable(secure.crypto)) if secure else (),
        )


def parse(text: str) -> SessionDescription:
    """Read a session description with CRLF or LF line ends. Raises `SdpError`."""
    lines = list(_lines(text))
    if not lines or lines[0] != ("v", "0"):
        raise SdpError("SDP doesn't begin with v=0")
    starts = [index for index, (key, _) in enumerate(lines) if key == "m"]
    if len(starts) > MAX_MEDIA:
        raise SdpError(f"SDP with {len(starts)} media lines")
    session = _Section(lines[: starts[0]] if starts else lines)
    return SessionDescription(
        tuple(
            _media(lines[start][1], _Section(lines[start + 1 : end]), session)
            for start, end in pairwise([*starts, len(lines)])
        )
    )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise SdpError(f"SDP of more than {MAX_BYTES} bytes")
    for line in text.replace("\r\n", "\n").rstrip("\n").split("\n"):
        if len(line) > MAX_LINE:
            raise SdpError(f"SDP line of more than {MAX_LINE} characters")
        if line[1:2] != "=" or not ("a" <= line[0] <= "z"):
            raise SdpError("SDP line without a type")
        if _CONTROL.search(line) is not None:
            raise SdpError("SDP line with a control character")
        yield line[0], line[2:]


class _Section:
    """The lines of the session part, or of one media part."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self.attributes = [value.partition(":")[::2] for key, value in lines if key == "a"]
        if len(self.attributes) > MAX_ATTRIBUTES:
            raise SdpError(f"SDP section with {len(self.attributes)} attributes")
        connections = [value for key, value in lines if key == "c"]
        self.address = _address(connections[0]) if connections else None

    def values(self, name: str) -> Iterator[str]:
        return (value.strip() for key, value in self.attributes if key == name)

    def number(self, name: str) -> int | None:
        return next((number for value in self.values(name) if (number := _number(value)) is not None), None)

    @property
    def direction(self) -> Direction | None:
        return next((DIRECTIONS[key] for key, _ in self.attributes if key in DIRECTIONS), None)

    def by_payload_type(self, name: Literal["rtpmap", "fmtp"]) -> dict[int, str]:
        pairs = (value.partition(" ")[::2] for value in self.values(name))
        return {number: rest.strip() for key, rest in pairs if (number := _number(key)) is not None}


def _media(line: str, section: _Section, session: _Section) -> MediaDescription:
    words = line.split()
    port = _number(words[1].partition("/")[0]) if len(words) >= 4 and line.isascii() else None
    if port is None or port > 65535:
        raise SdpError("SDP media line that can't be read")
    kind, _, proto, *formats = words
    return MediaDescription(
        kind=kind,
        port=port,
        proto=proto.upper(),
        formats=tuple(formats),
        address=section.address or session.address,
        direction=section.direction or session.direction or "sendrecv",
        codecs=_codecs(formats, section.by_payload_type("rtpmap")),
        fmtp=section.by_payload_type("fmtp"),
        ptime_ms=section.number("ptime"),
        maxptime_ms=section.number("maxptime"),
        rtcp=next((_rtcp(value) for value in section.values("rtcp")), None),
        crypto=tuple(section.values("crypto")),
    )


def _codecs(formats: list[str], rtpmaps: dict[int, str]) -> dict[int, Codec]:
    """Payload type to codec, in the order of the media line; types that nothing explains are left out."""
    payload_types = [number for text in formats if (number := _number(text)) is not None and number <= 127]
    found = {number: _codec(rtpmaps.get(number, "")) or STATIC_CODECS.get(number) for number in payload_types}
    return {number: codec for number, codec in found.items() if codec is not None}


def _codec(rtpmap: str) -> Codec | None:
    name, rate, channels = [*rtpmap.split("/"), "", ""][:3]
    clock_rate = _number(rate)
    if not name or clock_rate is None:
        return None
    return Codec(_SPELLING.get(name.lower(), name), clock_rate, _number(channels) or 1)


def _address(connection: str) -> str:
    """`IN IP4 192.0.2.1/127` -> `192.0.2.1`, as written; whether it may be used is for negotiation."""
    words = connection.split()
    if len(words) != 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
        raise SdpError("SDP connection line that can't be read")
    return words[2].partition("/")[0]


def _rtcp(value: str) -> tuple[str | None, int] | None:
    """`a=rtcp:53020 IN IP4 192.0.2.1` (RFC 3605); the address may be left out."""
    words = value.split()
    port = _number(words[0]) if words else None
    if port is None or not 0 < port <= 65535 or len(words) not in (1, 4):
        return None
    return (words[3] if len(words) == 4 else None), port


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None
