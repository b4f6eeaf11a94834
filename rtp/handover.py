"""What a session needs to know of one in another process whose stream pair it goes on with. Pure.

A snapshot, so it is somewhat old when it is used: numbers that have gone up since are estimated, so that none
is used twice.
"""

from dataclasses import dataclass, field, fields, replace

from rtp.address import Address
from rtp.stats import InboundReport, OutboundReport, RtpReport

LATEST = ("buffer_depth_ms", "playout_delay_ms")
"""Figures of an inbound report that say how it is now."""
AVERAGES = ("jitter_mean_ms", "loss_percent", "mos")
"""Figures that are means over its packets."""


@dataclass(frozen=True, slots=True)
class SentStream:
    """Our stream as far as it has gone: the next sequence number, and since when timestamps have counted."""

    ssrc: int
    sequence: int
    first_timestamp: int
    started_at: float
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Handover:
    """The state of a session `at` a moment, in monotonic seconds.

    `source` is the locked one and `ssrc`, `sequence` the last packet from it; `sent` is None before the first
    packet. `report` counts from the beginning of the call. `srtp_indexes` are the highest packet indexes
    received (RFC 3711, 3.3.1), by SSRC.
    """

    at: float
    cname: str
    source: Address | None = None
    ssrc: int | None = None
    sequence: int = 0
    sent: SentStream | None = None
    report: RtpReport = field(default_factory=lambda: RtpReport(InboundReport(), OutboundReport()))
    srtp_indexes: dict[int, int] = field(default_factory=dict)


def added(before: RtpReport, after: RtpReport, *, is_same_stream: bool) -> RtpReport:
    """Both reports in one. If our stream went on as the same one, `after` has all that was sent of it."""
    inbound = _added_inbound(before.inbound, after.inbound)
    rtt_ms = after.rtt_ms if after.rtt_ms is not None else before.rtt_ms
    return RtpReport(inbound, _added_outbound(before.outbound, after.outbound, is_same_stream), rtt_ms)


def _added_inbound(before: InboundReport, after: InboundReport) -> InboundReport:
    totals = {}
    packets = before.packets + after.packets
    for each in fields(InboundReport):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if each.name in LATEST:
            totals[each.name] = new
        elif each.name == "jitter_max_ms":
            totals[each.name] = max(old, new)
        elif each.name in AVERAGES:
            totals[each.name] = (old * before.packets + new * after.packets) / max(packets, 1)
        else:
            totals[each.name] = old + new
    return InboundReport(**totals)


def _added_outbound(before: OutboundReport, after: OutboundReport, is_same_stream: bool) -> OutboundReport:
    unsent = before.unsent + after.unsent
    if is_same_stream and after.lost is not None:
        return replace(after, unsent=unsent)
    packets = after.packets if is_same_stream else before.packets + after.packets
    octets = after.bytes if is_same_stream else before.bytes + after.bytes
    told = [each for each in (before, after) if each.lost is not None]
    if not told:
        return OutboundReport(packets, octets, unsent)
    lost = sum(each.lost or 0 for each in told)
    latest = told[-1]
    return OutboundReport(
        packets, octets, unsent, 100 * lost / max(packets, 1), lost, latest.jitter_ms, latest.mos
    )
