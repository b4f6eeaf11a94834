"""What passes between the SIP agent and a call: plain values, no pjsua2, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sipagent.errors import ReasonCode
from sipagent.sip.addresses import Surroundings

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Transport = Literal["udp", "tcp", "tls"]
SrtpPolicy = Literal["off", "optional", "required"]


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Where we receive RTP: the address that SDP will say, and what we're ready to speak, best first.

    `around` says where we must not send to. `held`: we have put the peer on hold, and send to it alone.
    """

    address: str
    rtp_port: int
    rtcp_port: int
    codecs: tuple[str, ...]
    ptime_ms: int = 20
    srtp: SrtpPolicy = "off"
    around: Surroundings = field(default_factory=Surroundings)
    held: bool = False


@dataclass(frozen=True, slots=True)
class OfferedAudio:
    """The audio lines of an offer that could be taken: encoding names of the plain and of the SRTP one.

    None for a line that isn't there. `suites` are those of the SRTP line that we could use.
    """

    plain: tuple[str, ...] | None
    secure: tuple[str, ...] | None = None
    suites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Suite and master keys (with salt) of an SRTP call. Never in a representation, so never in a log."""

    suite: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """The outcome of one offer and answer, seen from our side (`direction` is ours)."""

    codec: str
    payload_type: int
    dtmf_payload_type: int | None
    ptime_ms: int
    direction: Direction
    remote_rtp: tuple[str, int]
    remote_rtcp: tuple[str, int]
    srtp: SrtpKeys | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as the trunk's peer is believed (see `identity`). `number` may be `anonymous`.

    `asserted_identity` is what the network vouches for, privacy or not; `privacy` what the caller asked for,
    `none` included. `stir` is what `stir.seen` makes of it.
    """

    number: str
    asserted_identity: str | None = None
    diverted_from: str | None = None
    privacy: str | None = None
    stir: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class IncomingInvite:
    """An INVITE as it came in. `headers` keeps order and duplicates; `offer` is None for a late offer.

    `caller` is there once the trunk is known, and its policy.
    """

    sip_call_id: str
    source_ip: str
    source_port: int
    transport: Transport
    request_uri: str
    from_uri: str
    to_uri: str
    headers: tuple[tuple[str, str], ...] = ()
    offer: str | None = None
    caller: Caller | None = None

    @property
    def from_number(self) -> str:
        """Who calls: by the trunk's policy, if it is known, else by From."""
        return self.caller.number if self.caller is not None else user_part(self.from_uri)

    @property
    def to_number(self) -> str:
        """The called number: the request URI's user part, as the trunk addressed it to us."""
        return user_part(self.request_uri)

    def header(self, name: str) -> str | None:
        """The first value of a header, by its long name, any case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class OutgoingInvite:
    """An INVITE of ours. `from_uri` None: the trunk's own."""

    uri: str
    local: LocalMedia
    from_uri: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedInvite:
    """An INVITE that pjsip refused by itself, before there was a call: no known codec, no free call slot."""

    invite: IncomingInvite
    sip_status: int
    reason_code: ReasonCode


def user_part(uri: str) -> str:
    """`sip:+1555;ext=2@host` or `tel:+1555` or `"A" <sip:+1555@host>` -> `+1555`; empty if there is none."""
    inner = uri.partition("<")[2].partition(">")[0] if "<" in uri else uri
    scheme, _, rest = inner.partition(":")
    user = rest.partition("@")[0] if "@" in rest else (rest if scheme.lower() == "tel" else "")
    return user.partition(";")[0].partition(":")[0]


# --- events of one SIP call, in the order in which a call sees them -----------------------------------


@dataclass(frozen=True, slots=True)
class CallProgress:
    """A provisional answer to our INVITE (outbound only)."""

    sip_status: int
    reason: str


@dataclass(frozen=True, slots=True)
class MediaNegotiated:
    """After the first offer/answer is complete, and again after every re-INVITE.

    `is_early`: a call of ours that nobody has answered yet.
    """

    media: NegotiatedMedia
    is_early: bool = False


@dataclass(frozen=True, slots=True)
class CallConfirmed:
    """ACK received (inbound) or sent (outbound): the call stands."""


@dataclass(frozen=True, slots=True)
class InfoDigit:
    """A DTMF digit by SIP INFO."""

    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ReferReported:
    """How our REFER (RFC 3515) gets on. 1xx: the peer has taken it and tries. A final status comes last:
    the outcome, or, where no 1xx came before, the peer's refusal of the REFER itself.
    """

    sip_status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CallDisconnected:
    """The last event of a call. `by_remote` tells who ended it; `sip_status` is 200 after a BYE.

    `q850` is the cause (ITU-T Q.850) that the peer gave beside it, if it did.
    """

    sip_status: int
    reason: str
    by_remote: bool
    q850: int | None = None


SipEvent = CallProgress | MediaNegotiated | CallConfirmed | InfoDigit | ReferReported | CallDisconnected
