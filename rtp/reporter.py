"""The RTCP half of a session: when to report, what to say, and what the peer says of us (RFC 3550, 6)."""

from random import Random

from rtp.address import Address
from rtp.events import ByeReceived
from rtp.params import RtpParams
from rtp.reception import ReceptionStats
from rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    compact_ntp,
    ntp_timestamp,
    parse_compound,
    round_trip_ms,
    serialize_compound,
)
from rtp.sender import CLOCK_HZ, Sender
from rtp.stats import OutboundReport, mos

INTERVAL_S = 5.0


class Reporter:
    """Reports every 5 s, each time randomised to 0.5 .. 1.5 of that (RFC 3550, 6.3.1).

    `target` is where RTP goes. RTCP is taken from the address that SDP named for it, or from the RTP source
    itself; only a peer behind NAT, whose ports cannot be known, may send it from any port of its host.
    """

    def __init__(
        self, sender: Sender, reception: ReceptionStats, rng: Random, now: float, unix_offset_s: float
    ) -> None:
        self.rtt_ms: float | None = None
        self.foreign = 0
        self.malformed = 0
        self._remote: ReportBlock | None = None
        self._sender = sender
        self._reception = reception
        self._rng = rng
        self._unix_offset_s = unix_offset_s
        self.cname = f"{rng.getrandbits(96):024x}"
        self._last_sr = 0
        self._last_sr_at = 0.0
        self._packets_reported = 0
        self._behind_nat: Address | None = None
        self.next_timer = now + self._interval()

    def configure(self, params: RtpParams) -> None:
        """Take the addresses that were negotiated, at first or by a re-INVITE."""
        self._params = params

    def receive(
        self, data: bytes, addr: Address, target: Address | None, stream_ssrc: int | None, now: float
    ) -> list[ByeReceived]:
        """Take one datagram. A BYE counts only for the stream that we hear."""
        if not self._is_from_peer(addr, target):
            self.foreign += 1
            return []
        try:
            packets = parse_compound(data)
        except RtcpError:
            self.malformed += 1
            return []
        byes = []
        for packet in packets:
            match packet:
                case SenderReport(ssrc=ssrc, ntp=ntp, blocks=blocks):
                    if ssrc == stream_ssrc:
                        self._last_sr, self._last_sr_at = compact_ntp(ntp), now
                    self._take_blocks(blocks, now)
                case ReceiverReport(blocks=blocks):
                    self._take_blocks(blocks, now)
                case Goodbye(ssrcs=ssrcs) if stream_ssrc in ssrcs:
                    byes.append(ByeReceived(stream_ssrc))
        return byes

    def due_report(self, stream_ssrc: int | None, now: float) -> bytes | None:
        """The compound to send now, if the time has come."""
        if now < self.next_timer:
            return None
        self.next_timer = now + self._interval()
        return serialize_compound(self._report(stream_ssrc, now))

    def goodbye(self, stream_ssrc: int | None, now: float) -> bytes:
        """The last compound: a report and BYE (RFC 3550, 6.1 and 6.6)."""
        return serialize_compound([*self._report(stream_ssrc, now), Goodbye((self._sender.ssrc,))])

    def destination(self, target: Address) -> Address:
        """Where RTCP goes: SDP's address for it, or the port after RTP's (RFC 3550, 11)."""
        if target == self._params.remote_rtp and self._params.remote_rtcp is not None:
            return self._params.remote_rtcp
        if self._behind_nat is not None and self._behind_nat[0] == target[0]:
            return self._behind_nat
        return target[0], min(target[1] + 1, 65535)

    def outbound_report(self, unsent: int, one_way_ms: float) -> OutboundReport:
        """What was sent, and how the peer found it."""
        sent, remote = self._sender, self._remote
        if remote is None:
            return OutboundReport(sent.packets, sent.octets, unsent)
        lost = min(max(remote.cumulative_lost, 0), sent.packets)
        loss_percent = 100 * lost / max(sent.packets, 1)
        jitter_ms = remote.jitter * 1000 / CLOCK_HZ
        score = round(mos(loss_percent, one_way_ms + jitter_ms), 2)
        return OutboundReport(
            sent.packets, sent.octets, unsent, loss_percent, remote.cumulative_lost, jitter_ms, score
        )

    def _is_from_peer(self, addr: Address, target: Address | None) -> bool:
        if target is None:
            return False
        if target != self._params.remote_rtp and addr != target and addr[0] == target[0]:
            self._behind_nat = addr
        return addr in (target, self.destination(target))

    def _report(self, stream_ssrc: int | None, now: float) -> list[RtcpPacket]:
        sender = self._sender
        blocks = (self._block(stream_ssrc, now),) if stream_ssrc is not None else ()
        description = SourceDescription(sender.ssrc, self.cname)
        if sender.packets == self._packets_reported:
            return [ReceiverReport(sender.ssrc, blocks), description]
        self._packets_reported = sender.packets
        ntp = ntp_timestamp(now + self._unix_offset_s)
        report = SenderReport(sender.ssrc, ntp, sender.timestamp, sender.packets, sender.octets, blocks)
        return [report, description]

    def _block(self, stream_ssrc: int, now: float) -> ReportBlock:
        delay = int((now - self._last_sr_at) * 65536) if self._last_sr else 0
        return self._reception.block(stream_ssrc, self._last_sr, delay & 0xFFFFFFFF)

    def _take_blocks(self, blocks: tuple[ReportBlock, ...], now: float) -> None:
        for block in blocks:
            if block.ssrc == self._sender.ssrc:
                self._remote = block
                rtt_ms = round_trip_ms(block, ntp_timestamp(now + self._unix_offset_s))
                self.rtt_ms = rtt_ms if rtt_ms is not None else self.rtt_ms

    def _interval(self) -> float:
        return INTERVAL_S * self._rng.uniform(0.5, 1.5)
