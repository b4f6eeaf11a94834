"""SRTP (RFC 3711, RFC 7714) between the sockets and the session. The cryptography is libsrtp's.

What isn't authentic, or came before, goes no further than here: it is counted, and the session with its latch
never sees it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from struct import Struct

import pylibsrtp

from rtp.address import Address
from rtp.packet import header, is_rtcp
from rtp.params import SrtpParams
from rtp.udp import Receive, Sockets

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_256_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
OVERLAP_S = 2.0
"""How long packets under the peer's old key are taken once it has a new one: they were in flight."""
EARLY_S = 0.5
"""How long a packet under a key that we don't know yet may wait for it."""
MAX_EARLY = 32
MAX_SOURCES = 32
"""SSRCs under one key; libsrtp keeps a context for each, and a peer may make up as many as it likes."""
MAX_WOUND_CYCLES = 256
"""Sequence cycles that a new context is wound forward by: four days of voice."""

_STRIDE = 0x7000
_RTP_IDENTITY = Struct("!2xH4xI")
_RTCP_IDENTITY = Struct("!4xI")


class SrtpError(Exception):
    """A suite or key that can't be used, or a packet that can't be protected."""


class Srtp:
    """Both directions of one call. Takes and returns datagrams; `now` is monotonic seconds."""

    def __init__(self, params: SrtpParams, indexes: Mapping[int, int] | None = None) -> None:
        """`indexes` are those that somebody else has received under the same keys: see `indexes`."""
        self.params = params
        self.unauthenticated = 0
        """Datagrams refused as forged, damaged, under another key, or plain."""
        self.replayed = 0
        self._outbound = _session(params.suite, params.send_key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._inbound = [_Inbound(params.suite, params.receive_key)]
        self._inbound[0].wind(indexes or {}, least=1)

    @property
    def indexes(self) -> dict[int, int]:
        """The highest packet index (RFC 3711, 3.3.1) received under the peer's latest key, by SSRC."""
        of_now = [context.indexes for context in self._inbound if context.until == float("inf")]
        return {ssrc: index for indexes in of_now for ssrc, index in indexes.items()}

    def rekey(self, params: SrtpParams, now: float) -> None:
        """Take what a re-INVITE negotiated; keys that stay the same keep their state.

        Outbound, a new key goes with a new SSRC (see `Sender`), whose roll-over counter begins at 0. Inbound,
        the peer may keep its counter, as RFC 3711 has it, or begin again, as many do: both are tried.
        """
        old, self.params = self.params, params
        if (old.suite, old.send_key) != (params.suite, params.send_key):
            self._outbound = _session(params.suite, params.send_key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        if (old.suite, old.receive_key) != (params.suite, params.receive_key):
            before = self._inbound[0]
            before.until = min(before.until, now + OVERLAP_S)
            fresh = _Inbound(params.suite, params.receive_key)
            wound = _Inbound(params.suite, params.receive_key)
            continued = wound.wind(before.indexes)
            self._inbound = [fresh, *([wound] if continued else []), before]

    def protect(self, data: bytes) -> bytes:
        """RTP as it may be sent. Raises `SrtpError`."""
        return _checked(self._outbound.protect, data)

    def protect_rtcp(self, data: bytes) -> bytes:
        """RTCP as it may be sent. Raises `SrtpError`."""
        return _checked(self._outbound.protect_rtcp, data)

    def unprotect(self, data: bytes, now: float) -> bytes | None:
        """The RTP or RTCP (RFC 5761) packet in a datagram of the RTP port, None if it is refused."""
        return self._unprotect(_Inbound.rtcp if is_rtcp(data) else _Inbound.rtp, data, now)

    def unprotect_rtcp(self, data: bytes, now: float) -> bytes | None:
        """The RTCP packet in a datagram, None if it is refused."""
        return self._unprotect(_Inbound.rtcp, data, now)

    def retry(self, data: bytes, now: float) -> bytes | None:
        """`unprotect` what was refused before; if it is taken now, it counts as refused no longer."""
        refused = self.unauthenticated, self.replayed
        packet = self.unprotect(data, now)
        self.unauthenticated, self.replayed = refused
        if packet is not None:
            self.unauthenticated -= 1
        return packet

    def _unprotect(
        self, unprotect: Callable[["_Inbound", bytes], bytes], data: bytes, now: float
    ) -> bytes | None:
        is_replay = False
        for context in self._inbound:
            if now >= context.until:
                continue
            try:
                packet = unprotect(context, data)
            except (pylibsrtp.Error, SrtpError, ValueError) as error:
                is_replay = is_replay or "replay" in str(error)
                continue
            if len(self._inbound) > 1:
                self._settle(context, now)
            return packet
        if is_replay:
            self.replayed += 1
        else:
            self.unauthenticated += 1
        return None

    def _settle(self, proven: "_Inbound", now: float) -> None:
        """The peer is heard under a key: of the contexts for a new one, only the right one is needed now."""
        is_new = proven.until == float("inf")
        self._inbound = [
            context
            for context in self._inbound
            if context is proven or now < context.until < float("inf") or not is_new
        ]


class _Inbound:
    """Reception under one key. `indexes` holds the highest packet index (RFC 3711, 3.3.1) of each source."""

    def __init__(self, suite: str, key: bytes) -> None:
        self.until = float("inf")
        self.indexes: dict[int, int] = {}
        self._key = suite, key
        self._session = _session(suite, key, pylibsrtp.Policy.SSRC_ANY_INBOUND)

    def rtp(self, data: bytes) -> bytes:
        """Raises `SrtpError`, pylibsrtp's Error or ValueError."""
        packet = self._session.unprotect(data)
        sequence, ssrc = _RTP_IDENTITY.unpack_from(packet)
        highest = self.indexes.get(ssrc)
        if highest is None:
            self._admit(ssrc, sequence)
        elif (step := (sequence - highest) & 0xFFFF) < 0x8000:
            self.indexes[ssrc] = highest + step
        return packet

    def rtcp(self, data: bytes) -> bytes:
        """Raises as `rtp` does."""
        packet = self._session.unprotect_rtcp(data)
        (ssrc,) = _RTCP_IDENTITY.unpack_from(packet)
        if ssrc not in self.indexes:
            self._admit(ssrc, 0)
        return packet

    def wind(self, indexes: Mapping[int, int], least: int = 1 << 16) -> bool:
        """Bring the roll-over counters to where another context's have come to, for indexes of at least so
        much; False if there are none. Below one cycle they are 0 anyway; but of a number just short of it the
        same key's context has to know, too: the next one may begin a cycle.

        libsrtp offers no other way here than to receive packets: made up, under the same key, sent nowhere.
        """
        sender = _session(*self._key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        most = (MAX_WOUND_CYCLES << 16) | 0xFFFF
        wound = {ssrc: index for ssrc, index in indexes.items() if least <= index <= most}
        for ssrc, index in wound.items():
            for at in range(index % _STRIDE, index + 1, _STRIDE):
                self.rtp(sender.protect(header(0, at & 0xFFFF, 0, ssrc) + b"\0"))
        return bool(wound)

    def _admit(self, ssrc: int, index: int) -> None:
        if len(self.indexes) >= MAX_SOURCES:
            self._session.remove_stream(ssrc)
            raise SrtpError(f"more than {MAX_SOURCES} sources")
        self.indexes[ssrc] = index


class SrtpUdp:
    """SRTP over a pair of sockets: sends protected, and passes on what is authentic.

    A peer sends under its new key as soon as it is answered, which may be before we are told of that key. So
    the last RTP packets that were refused wait for a moment, and are tried again when the keys change.
    """

    def __init__(
        self,
        udp: Sockets,
        params: SrtpParams,
        on_rtp: Receive,
        on_rtcp: Receive,
        indexes: Mapping[int, int] | None = None,
    ) -> None:
        self.srtp = Srtp(params, indexes)
        self._udp = udp
        self._on_rtp, self._on_rtcp = on_rtp, on_rtcp
        self._early: deque[tuple[bytes, Address, float]] = deque(maxlen=MAX_EARLY)
        udp.deliver_to(self._receive, self._receive_rtcp)

    def rekey(self, params: SrtpParams, now: float) -> None:
        """Take what a re-INVITE negotiated: see `Srtp.rekey`."""
        self.srtp.rekey(params, now)
        early, self._early = self._early, deque(maxlen=MAX_EARLY)
        for data, addr, at in early:
            if now - at < EARLY_S and (packet := self.srtp.retry(data, now)) is not None:
                self._on_rtp(packet, addr, now)

    def send(self, data: bytes, addr: Address) -> None:
        """Send from the RTP port, as `UdpPair` does."""
        self._udp.send(self.srtp.protect(data), addr)

    def send_rtcp(self, data: bytes, addr: Address) -> None:
        """Send from the RTCP port, likewise."""
        self._udp.send_rtcp(self.srtp.protect_rtcp(data), addr)

    def _receive(self, data: bytes, addr: Address, now: float) -> None:
        packet = self.srtp.unprotect(data, now)
        if packet is not None:
            self._on_rtp(packet, addr, now)
        else:
            self._early.append((data, addr, now))

    def _receive_rtcp(self, data: bytes, addr: Address, now: float) -> None:
        packet = self.srtp.unprotect_rtcp(data, now)
        if packet is not None:
            self._on_rtcp(packet, addr, now)


def _session(suite: str, key: bytes, direction: int) -> pylibsrtp.Session:
    if suite not in PROFILES:
        raise SrtpError(f"unknown SRTP suite {suite}")
    try:
        return pylibsrtp.Session(pylibsrtp.Policy(key, direction, srtp_profile=PROFILES[suite]))
    except (pylibsrtp.Error, ValueError) as error:
        raise SrtpError(f"{suite}: {error}") from None


def _checked(protect: Callable[[bytes], bytes], data: bytes) -> bytes:
    try:
        return protect(data)
    except (pylibsrtp.Error, ValueError) as error:
        raise SrtpError(str(error)) from None
