"""What a call's audio was like: an E-model MOS, and the report."""

from dataclasses import dataclass
from typing import Any

BPL_WITH_PLC = 25.1
BPL_WITHOUT_PLC = 4.3
"""Robustness of G.711 against random loss, with and without concealment (ITU-T G.113, appendix I)."""

_DEFAULT_R = 93.2


def r_factor(loss_percent: float, one_way_ms: float, bpl: float = BPL_WITH_PLC) -> float:
    """The E-model's rating of a G.711 call, 0..93.2 (ITU-T G.107, Ie = 0, random loss)."""
    delay_impairment = 0.024 * one_way_ms + 0.11 * max(one_way_ms - 177.3, 0.0)
    loss_impairment = 95.0 * loss_percent / (loss_percent + bpl)
    return max(_DEFAULT_R - delay_impairment - loss_impairment, 0.0)


def mos(loss_percent: float, one_way_ms: float, bpl: float = BPL_WITH_PLC) -> float:
    """The mean opinion score to expect, 1.0..4.41 (ITU-T G.107, annex B)."""
    r = r_factor(loss_percent, one_way_ms, bpl)
    return max(1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, 1.0)


@dataclass(slots=True)
class InboundReport:
    """The caller's audio as it reached us. Packets unless the unit says otherwise.

    Not frozen, as each part of a session fills in what it has counted: copies would cost more than all else.
    """

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    reordered: int = 0
    unconfirmed: int = 0
    """Dropped because their number jumped and no successor confirmed it."""
    concealed_ms: float = 0.0
    silence_filled_ms: float = 0.0
    comfort_noise_ms: float = 0.0
    stretched_ms: float = 0.0
    """Silence put in the place of audio that came after all."""
    starved_ms: float = 0.0
    """In clocked mode: invented because nothing had come by the time it was due."""
    inserted_ms: float = 0.0
    """In clocked mode: invented to follow the sender's clock, or a growing jitter."""
    dropped_ms: float = 0.0
    playout_delay_ms: float | None = None
    """In clocked mode: from arrival to playout."""
    jitter_mean_ms: float = 0.0
    jitter_max_ms: float = 0.0
    buffer_depth_ms: float = 0.0
    loss_percent: float = 0.0
    mos: float = 0.0
    foreign: int = 0
    foreign_rtcp: int = 0
    unauthenticated: int = 0
    """Refused by SRTP as forged, damaged, under another key, or plain."""
    replayed: int = 0
    malformed: int = 0
    stun: int = 0
    """STUN messages, dropped unanswered: we do no ICE, and whoever asks would get our address confirmed."""
    unknown_payload_type: int = 0
    unwanted: int = 0
    """Came although the direction does not let the peer send."""
    comfort_noise: int = 0
    payload_type_changes: int = 0
    """Between audio payload types."""
    ssrc_changes: int = 0
    restarts: int = 0
    timestamp_jumps: int = 0
    overflowed: int = 0


@dataclass(frozen=True, slots=True)
class OutboundReport:
    """The agent's audio as sent; loss, jitter and MOS are what the peer's RTCP says, None if it is mute."""

    packets: int = 0
    bytes: int = 0
    unsent: int = 0
    """Frames dropped because the direction forbids sending or no address is known."""
    loss_percent: float | None = None
    lost: int | None = None
    jitter_ms: float | None = None
    mos: float | None = None


@dataclass(frozen=True, slots=True)
class RtpReport:
    """Both directions of a session, for the call record."""

    inbound: InboundReport
    outbound: OutboundReport
    rtt_ms: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Nested plain dicts of numbers, ready for JSON; fractions to three digits."""
        return {
            "inbound": _plain(self.inbound),
            "outbound": _plain(self.outbound),
            "rtt_ms": _rounded(self.rtt_ms),
        }


def _plain(part: InboundReport | OutboundReport) -> dict[str, float | None]:
    return {name: _rounded(getattr(part, name)) for name in part.__slots__}


def _rounded(value: float | None) -> float | None:
    return round(value, 3) if isinstance(value, float) else value
