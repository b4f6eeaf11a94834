"""The inbound half of a session: from datagrams to frames in order, every hole concealed.

Nearly every packet is as usual and takes the short way, `hear`; all else takes the long one, `receive` and
`pop`. Both come to the same.
"""

from collections import deque

from rtp import comfort, g711
from rtp.address import Address
from rtp.dtmf import DigitReceiver
from rtp.events import (
    FirstPacketReceived,
    ForeignPacketDropped,
    RtpEvent,
    SourceChanged,
    SourceLatched,
    StreamRestarted,
)
from rtp.filler import Filler
from rtp.frames import Concealed, Frame
from rtp.g711 import Law
from rtp.jitter import JitterBuffer
from rtp.latch import Latch, Verdict
from rtp.packet import HEADER, VERSION_2, PacketError, RtpPacket, parse
from rtp.params import JitterConfig, RtpParams
from rtp.reception import ReceiverCounts, ReceptionStats
from rtp.stats import InboundReport
from rtp.timeline import Hole, HoleKind

CLOCK_HZ = 8000
STATIC_LAWS = {0: Law.ULAW, 8: Law.ALAW}
"""Both laws are understood under their static payload types (RFC 3551, 6), whichever was negotiated."""
MAX_EVENTS = 256


class Receiver:
    """Latch, stream identity, DTMF, jitter buffer and concealment of one inbound stream."""

    def __init__(self, params: RtpParams, jitter: JitterConfig) -> None:
        self.latch = Latch(params.remote_rtp, params.strict_source, params.signalling_host)
        self.buffer = JitterBuffer(jitter, CLOCK_HZ)
        self.reception = ReceptionStats(self.buffer.sequence, self.buffer.jitter)
        self.digits = DigitReceiver(CLOCK_HZ)
        self.events: deque[RtpEvent] = deque(maxlen=MAX_EVENTS)
        self.ssrc: int | None = None
        self.last_packet_at: float | None = None
        self._counts = ReceiverCounts()
        self._newcomer: RtpPacket | None = None
        self._restarts = 0
        self._last_audio_type: int | None = None
        self._usual = b""
        """How a datagram begins whose audio goes on as before; empty if there is nothing to go on with."""
        self._filler = Filler(Law(params.codec))
        self._wanted = True
        self.configure(params)

    def configure(self, params: RtpParams) -> None:
        """Take what was negotiated, at first or by a re-INVITE. The latch is told separately."""
        self.law = Law(params.codec)
        self._laws = STATIC_LAWS | {params.payload_type: self.law}
        self._event_type = params.receive_dtmf_payload_type or params.dtmf_payload_type
        if params.receives and not self._wanted:
            self.buffer.restart()  # what the peer may have sent meanwhile was not lost
        self._wanted = params.receives
        self._filler.configure(self.law)
        self._expect_usual()

    def hear(self, data: bytes, addr: Address, now: float) -> bytes | None:
        """The audio of a datagram that is as usual: the next of the settled source, in the negotiated law,
        with a plain header, while nothing else waits to be popped or told. It is received and popped at once.

        None for any other, of which nothing is taken: that is for receive() and pop().
        """
        if data[:2] != self._usual or addr != self.latch.settled or self.events or len(data) <= HEADER.size:
            return None
        _, _, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        payload = data[12:]
        samples = len(payload)
        if ssrc != self.ssrc or not self.buffer.pass_on(sequence, timestamp, samples, now):
            return None
        self.latch.go_on(ssrc, sequence, now)
        self._filler.hear(payload, timestamp)
        self._newcomer = None
        self.last_packet_at = now
        self.reception.received += 1
        self._counts.packets += 1
        self._counts.bytes += samples
        return payload

    def receive(self, data: bytes, addr: Address, now: float) -> None:
        """Take one RTP datagram; nothing in it can raise."""
        try:
            packet = parse(data)
        except PacketError:
            self._counts.malformed += 1
            return
        if not self._wanted:
            self._counts.unwanted += 1
            return
        known = self.latch.source
        verdict = self.latch.judge(packet, addr, now)
        if verdict is Verdict.ACCEPTED:
            self._take(packet, addr, now)
        elif verdict is Verdict.LOCKED:
            self._report_lock(known, addr)
            for held, at in self.latch.take_held():
                self._take(held, addr, at)
        elif verdict is Verdict.FOREIGN:
            self._count_foreign(addr)

    def pop(self, now: float) -> Frame | Concealed | None:
        """The next piece of audio in the timeline, in the negotiated law; to be called until None."""
        piece = self.buffer.pop(now)
        if piece is None:
            return None
        if isinstance(piece, Hole):
            return self._fill(piece)
        payload = self._in_law(piece)
        self._filler.hear(payload, piece.timestamp)
        return Frame(payload)

    def is_due(self, now: float) -> bool:
        """Whether pop() has something by now, or there is an event, although nothing has arrived."""
        return bool(self.events) or self.buffer.is_due(now)

    @property
    def stretched(self) -> int:
        """Samples popped as silence although their audio came after all: counted before that is popped."""
        return self.buffer.timeline.stretched

    @property
    def pausing(self) -> bool:
        """Whether the sender said that it would fall silent, and has not been heard since."""
        return self._filler.pausing

    def pause(self, samples: int) -> bytes:
        """What to hear while it is silent."""
        return self._filler.pause(samples)

    def handle_timer(self, now: float) -> None:
        """Report a digit whose end was lost."""
        if now >= self.digits.over_at:
            self.events.extend(self.digits.expire(now))

    def next_timer(self) -> float | None:
        """When pop() or handle_timer() has something to do although nothing arrives."""
        timers = (self.buffer.next_deadline(), self.digits.next_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    def report(self, now: float) -> InboundReport:
        """Everything counted so far. MOS is for the loss alone: the session knows the delay."""
        counts, filler = self._counts, self._filler
        report = InboundReport(
            packets=counts.packets,
            bytes=counts.bytes,
            concealed_ms=filler.concealed * 1000 / CLOCK_HZ,
            silence_filled_ms=filler.silent * 1000 / CLOCK_HZ,
            comfort_noise_ms=filler.noise * 1000 / CLOCK_HZ,
            foreign=counts.foreign + self.latch.abandoned,
            malformed=counts.malformed,
            unknown_payload_type=counts.unknown_payload_type,
            unwanted=counts.unwanted,
            comfort_noise=counts.comfort_noise,
            payload_type_changes=counts.payload_type_changes,
            ssrc_changes=counts.ssrc_changes,
        )
        self.buffer.fill_in(report, now)
        return report

    def _take(self, packet: RtpPacket, addr: Address, now: float) -> None:
        if packet.ssrc != self.ssrc and not self._adopt(packet, addr, now):
            return
        self._newcomer = None
        self.last_packet_at = now
        self.reception.received += 1
        self._counts.packets += 1
        self._counts.bytes += len(packet.payload)
        self.buffer.push(packet, self._samples(packet, now), now)
        if self.buffer.sequence.restarts != self._restarts:
            self._report_restart(packet.ssrc)

    def _samples(self, packet: RtpPacket, now: float) -> int:
        """How much audio a packet carries; digits are noted on arrival, since a gap must not delay them."""
        payload_type = packet.payload_type
        if payload_type in self._laws:
            if payload_type != self._last_audio_type:
                self._counts.payload_type_changes += self._last_audio_type is not None
                self._last_audio_type = payload_type
                self._expect_usual()
            return len(packet.payload)
        if payload_type == self._event_type:
            self.events.extend(self.digits.receive(packet.payload, packet.timestamp, now))
        elif payload_type in comfort.PAYLOAD_TYPES:
            self._counts.comfort_noise += 1
            self._filler.ask_for_noise(packet.payload, packet.timestamp)
        else:
            self._counts.unknown_payload_type += 1
        return 0

    def _expect_usual(self) -> None:
        audio_type = self._last_audio_type
        goes_on = self._wanted and audio_type is not None and self._laws.get(audio_type) is self.law
        self._usual = bytes((VERSION_2, audio_type)) if goes_on and audio_type is not None else b""

    def _adopt(self, packet: RtpPacket, addr: Address, now: float) -> bool:
        """Whether the packet's SSRC is the stream's from now on: the first one, or one that replaces it with
        two packets in sequence and none of the old between them (RFC 3550, A.1)."""
        if self.ssrc is None:
            self.ssrc = packet.ssrc
            self.events.append(FirstPacketReceived(addr))
            return True
        newcomer, self._newcomer = self._newcomer, packet
        if newcomer is None or newcomer.ssrc != packet.ssrc:
            return False
        if packet.sequence != (newcomer.sequence + 1) & 0xFFFF:
            return False
        self.ssrc = packet.ssrc
        self._counts.ssrc_changes += 1
        self.buffer.restart()
        self._take(newcomer, addr, now)
        return True

    def _report_restart(self, ssrc: int) -> None:
        self._restarts = self.buffer.sequence.restarts
        self.reception.restart()
        self._filler.forget_noise()
        self.events.extend(self.digits.restart())
        self.events.append(StreamRestarted(ssrc))

    def _report_lock(self, old: Address | None, new: Address) -> None:
        self.events.append(SourceLatched(new) if old is None else SourceChanged(old, new))

    def _count_foreign(self, addr: Address) -> None:
        self._counts.foreign += 1
        total = self._counts.foreign
        if total & (total - 1) == 0:
            self.events.append(ForeignPacketDropped(addr, total))

    def _fill(self, hole: Hole) -> Concealed:
        if hole.kind is HoleKind.SILENT:
            return Concealed(self._filler.pause(hole.samples), lost=False)
        following = b"".join(self._in_law(packet) for packet in self.buffer.following())
        return Concealed(self._filler.conceal(hole.samples, following), lost=True)

    def _in_law(self, packet: RtpPacket) -> bytes:
        if self._laws.get(packet.payload_type, self.law) is self.law:
            return packet.payload
        return g711.FROM_OTHER_LAW[self.law](packet.payload)
