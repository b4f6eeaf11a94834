"""Keys of SRTP in SDP (SDES, RFC 4568), pure: reading and writing `a=crypto`, and the keys of one call.

A line that asks for something we don't do is passed over, as if the peer had not offered it: an unknown
suite, several keys or a key identifier (MKI), a key of the wrong length, session parameters other than WSH or
those marked as ignorable by "-". A lifetime is read but not enforced: whoever sends under a key has to renew
it in time.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sipagent.errors import NoCommonCrypto, SdpError, SrtpOff, SrtpRequired
from sipagent.sip.messages import OfferedAudio, SrtpKeys, SrtpPolicy

MAX_LINES = 16
MAX_LENGTH = 256
LONGEST_LIFETIME = 2**48

#: The suites that we do, best first, with the length of master key and salt (RFC 4568, 6.2; RFC 7714, 14.1).
KEY_BYTES = {
    "AEAD_AES_256_GCM": 44,
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
}

_LINE = re.compile(
    r"(?P<tag>\d{1,9}) +(?P<suite>\w+) +inline:(?P<key>[A-Za-z0-9+/]+)={0,2}"
    r"(\|(?P<power>2\^)?(?P<lifetime>\d{1,15}))?(?P<parameters>( +\S+)*) *",
    re.ASCII | re.IGNORECASE,
)
_IGNORABLE = re.compile(r"-\S+|WSH=\d{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One `a=crypto` attribute. `key` is the sender's master key with its salt."""

    tag: int
    suite: str
    key: bytes = field(repr=False)

    def as_sdp(self) -> str:
        """The whole line, key and all: for the wire alone."""
        encoded = binascii.b2a_base64(self.key, newline=False).decode()
        return f"a=crypto:{self.tag} {self.suite} inline:{encoded}"


def usable(values: tuple[str, ...]) -> tuple[CryptoLine, ...]:
    """The lines among attribute values that we can use, our favourite first. Raises `SdpError` on a flood."""
    if len(values) > MAX_LINES:
        raise SdpError(f"SDP with {len(values)} crypto lines")
    lines = {line.tag: line for value in reversed(values) if (line := _parse(value)) is not None}
    order = list(KEY_BYTES)
    return tuple(sorted(lines.values(), key=lambda line: (order.index(line.suite), line.tag)))


def _parse(value: str) -> CryptoLine | None:
    match = _LINE.fullmatch(value) if len(value) <= MAX_LENGTH else None
    if match is None or not all(map(_IGNORABLE.fullmatch, match["parameters"].split())):
        return None
    suite, encoded = match["suite"].upper(), match["key"]
    if suite not in KEY_BYTES or not _is_lifetime(match["power"], match["lifetime"]):
        return None
    try:
        key = binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        return None
    return CryptoLine(int(match["tag"]), suite, key) if len(key) == KEY_BYTES[suite] else None


def _is_lifetime(power: str | None, number: str | None) -> bool:
    if number is None:
        return True
    exponent = int(number)
    return exponent <= 48 if power else 0 < exponent <= LONGEST_LIFETIME


def wants_srtp(offered: OfferedAudio, policy: SrtpPolicy) -> bool:
    """Is the offer's SRTP line the one to take, by this policy?

    Raises `SrtpOff`, `SrtpRequired` or `NoCommonCrypto` if neither line will do.
    """
    if policy == "required" and offered.secure is None:
        raise SrtpRequired("no RTP/SAVP audio in the offer, and SRTP is required")
    if policy == "off" or offered.secure is None:
        if offered.plain is None and offered.secure is not None:
            raise SrtpOff("only SRTP in the offer, and it is off")
        return False
    if not offered.suites and (policy == "required" or offered.plain is None):
        raise NoCommonCrypto(f"no crypto line that can be used; ours: {', '.join(KEY_BYTES)}")
    return bool(offered.suites)


def codecs_to_take(offered: OfferedAudio, policy: SrtpPolicy) -> tuple[str, ...]:
    """The encoding names of the line to take. Raises as `wants_srtp` does."""
    return (offered.secure if wants_srtp(offered, policy) else offered.plain) or ()


class KeyExchange:
    """The master keys of one call. Ours is a new one whenever the peer's is, else it stays."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self.agreed: SrtpKeys | None = None
        self._random_bytes = random_bytes
        self._offered: tuple[CryptoLine, ...] = ()

    def answer(self, values: tuple[str, ...]) -> tuple[CryptoLine, SrtpKeys]:
        """Our line in answer to the best of those offered, under its tag, and what that comes to.

        Raises `NoCommonCrypto`, `SdpError`.
        """
        theirs = _first(usable(values))
        keys = self.agreed
        if keys is None or (keys.suite, keys.receive_key) != (theirs.suite, theirs.key):
            keys = SrtpKeys(theirs.suite, self._new_key(theirs.suite), theirs.key)
        self.agreed = keys
        return CryptoLine(theirs.tag, keys.suite, keys.send_key), keys

    def offer(self) -> tuple[CryptoLine, ...]:
        """Our lines: one for each suite, or the one in use."""
        if self.agreed is not None:
            self._offered = (CryptoLine(1, self.agreed.suite, self.agreed.send_key),)
        else:
            suites = enumerate(KEY_BYTES, start=1)
            self._offered = tuple(CryptoLine(tag, suite, self._new_key(suite)) for tag, suite in suites)
        return self._offered

    def conclude(self, values: tuple[str, ...]) -> SrtpKeys:
        """What the peer's answer to our offer comes to. Raises `NoCommonCrypto`, `SdpError`."""
        ours = {(line.tag, line.suite): line for line in self._offered}
        theirs = _first(line for line in usable(values) if (line.tag, line.suite) in ours)
        self.agreed = SrtpKeys(theirs.suite, ours[theirs.tag, theirs.suite].key, theirs.key)
        return self.agreed

    def _new_key(self, suite: str) -> bytes:
        return self._random_bytes(KEY_BYTES[suite])


def _first(lines: Iterable[CryptoLine]) -> CryptoLine:
    for line in lines:
        return line
    raise NoCommonCrypto(f"no crypto line that can be used; ours: {', '.join(KEY_BYTES)}")
