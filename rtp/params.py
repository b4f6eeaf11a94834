"""What a session is told: the negotiated media and the jitter buffer's bounds."""

from dataclasses import dataclass, field
from typing import Literal

from rtp.address import Address

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]


@dataclass(frozen=True, slots=True)
class SrtpParams:
    """Suite (by its name in RFC 4568) and master keys, each followed by its salt. No repr has keys."""

    suite: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RtpParams:
    """The outcome of offer and answer, seen from our side (`direction` is ours).

    `codec` is PCMU or PCMA: the law that is sent, and that inbound frames are handed out in.
    A `remote_rtcp` of None means the port after the RTP port (RFC 3550, 11). `strict_source` accepts RTP from
    `remote_rtp` alone, for trunks known to be without NAT; else `signalling_host`, where the peer's SIP comes
    from, is one more place to expect it from.
    """

    remote_rtp: Address | None
    remote_rtcp: Address | None = None
    codec: str = "PCMU"
    payload_type: int = 0
    dtmf_payload_type: int | None = 101
    ptime_ms: int = 20
    direction: Direction = "sendrecv"
    receive_dtmf_payload_type: int | None = None
    """Where the peer sends events under another payload type than it receives them."""
    strict_source: bool = False
    srtp: SrtpParams | None = None
    """Keys for whoever moves the datagrams; a session sees plain RTP."""
    signalling_host: str | None = None

    @property
    def sends(self) -> bool:
        """Whether we may send audio."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """Whether the peer may send audio."""
        return self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class JitterConfig:
    """Bounds of the jitter buffer's depth, and the silence after which the clock takes over."""

    min_ms: float = 60.0
    max_ms: float = 200.0
    stall_ms: float = 300.0
