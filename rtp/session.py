"""The RTP face of a call: one stream pair. The shell in `rtp.udp` moves the bytes."""

from random import Random, SystemRandom

from rtp.address import Address
from rtp.events import RtpEvent
from rtp.frames import Concealed, Frame
from rtp.handover import Handover, added
from rtp.packet import is_rtcp, is_stun
from rtp.params import Direction, JitterConfig, RtpParams
from rtp.playclock import PlayClock
from rtp.receiver import Receiver
from rtp.reporter import Reporter
from rtp.sender import Sender
from rtp.stats import RtpReport, mos

__all__ = ["Concealed", "Direction", "Frame", "JitterConfig", "RtpParams", "RtpSession"]

Datagram = tuple[bytes, Address]

DEFAULT_JITTER = JitterConfig()


class RtpSession:
    """One RTP stream pair. Does no I/O and never asks for the time: `now` is monotonic seconds.

    After anything was received, or a timer handled: pop_frame() until None, next_event() until None, and send
    what datagrams_to_send() and rtcp_to_send() have. `unix_offset_s` is Unix time minus monotonic time. With
    `before` it goes on where another session of the same call had come to.
    """

    def __init__(
        self,
        params: RtpParams,
        jitter: JitterConfig = DEFAULT_JITTER,
        now: float = 0.0,
        *,
        rng: Random | None = None,
        unix_offset_s: float = 0.0,
        before: Handover | None = None,
    ) -> None:
        rng = rng or SystemRandom()
        self.inbound = Receiver(params, jitter)
        self._clock = PlayClock(self.inbound)
        self.outbound = Sender(params, rng)
        self._reporter = Reporter(self.outbound, self.inbound.reception, rng, now, unix_offset_s)
        self._reporter.configure(params)
        self._params, self._sends = params, params.sends
        self._unsent = self._stun = 0
        self.rtp_waiting: list[Datagram] = []
        self.rtcp_waiting: list[Datagram] = []
        """What datagrams_to_send() and rtcp_to_send() have, if it need only be known whether they do."""
        self._before = before
        self._is_same_stream = False
        if before is not None:
            self._go_on_from(before, now)

    def _go_on_from(self, before: Handover, now: float) -> None:
        self._reporter.cname = before.cname
        if before.source is not None and before.ssrc is not None:
            self.inbound.latch.resume(before.source, before.ssrc, before.sequence, now)
        if before.sent is not None and self._params.srtp is None:
            self._is_same_stream = True
            self.outbound.go_on_from(before.sent, before.at, now)

    def handover(self, now: float) -> Handover:
        """What another session needs to go on from here."""
        latch = self.inbound.latch
        return Handover(
            at=now,
            cname=self._reporter.cname,
            source=latch.source,
            ssrc=latch.last_ssrc,
            sequence=latch.last_sequence,
            sent=self.outbound.sent,
            report=self.report(now),
        )

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        """Take a datagram from the RTP port. RTCP (RFC 5761) and STUN (RFC 7983) on it are told apart.

        For one that is as usual, `inbound.hear` is the short way; try that first.
        """
        if is_stun(data):
            self._stun += 1
        elif is_rtcp(data):
            self.receive_rtcp(data, addr, now)
        else:
            self.inbound.receive(data, addr, now)

    def receive_rtcp(self, data: bytes, addr: Address, now: float) -> None:
        """Take a datagram from the RTCP port. What isn't from the peer's host is counted and dropped."""
        if is_stun(data):
            self._stun += 1
            return
        byes = self._reporter.receive(data, addr, self.inbound.latch.target, self.inbound.ssrc, now)
        self.inbound.events.extend(byes)

    def pop_frame(self, now: float) -> Frame | Concealed | None:
        """The next piece of the caller's audio, in the negotiated law; to be called until None."""
        return self.inbound.pop(now)

    def play_frame(self, samples: int, now: float) -> Frame | Concealed | None:
        """Instead of pop_frame(), to feed another phone: so much audio on each tick of the listener's clock,
        after a constant delay. None before the first packet has waited for the jitter buffer's depth."""
        return self._clock.pop(samples, now)

    def stop_playing(self) -> None:
        """It is pop_frame() again from now on."""
        self._clock.stop()

    @property
    def may_send(self) -> bool:
        """Whether the next slot is for audio: direction and address allow it, and no digit is being sent."""
        return self._sends and not self.outbound.pressing and self.inbound.latch.target is not None

    @property
    def sends_digits(self) -> bool:
        """Whether the peer takes telephone events."""
        return self._params.dtmf_payload_type is not None

    @property
    def hears_digit(self) -> bool:
        """Whether a key of the peer's is down, by its telephone events."""
        return self.inbound.digits.next_timer() is not None

    def send_frame(self, payload: bytes, now: float, talkspurt: bool = False) -> None:
        """Send a frame of law bytes; `talkspurt` if speech begins with it. Only counted unless may_send."""
        target = self.inbound.latch.target
        if target is None or not self._sends or self.outbound.pressing:
            self._unsent += 1
            return
        for datagram in self.outbound.packetize(payload, now, talkspurt):
            self.rtp_waiting.append((datagram, target))

    def send_digit(self, digit: str, duration_ms: int, now: float) -> None:
        """Press a key (0-9, *, #, A-D); handle_timer() sends its packets in place of audio.

        Raises ValueError if it is no digit or the peer takes no telephone events.
        """
        self.outbound.press(digit, duration_ms)
        self.handle_timer(now)

    def next_timer(self) -> float | None:
        """When pop_frame() or handle_timer() has something to do although nothing arrives."""
        outbound = self.outbound.next_slot_at() if self._sends else self.outbound.keepalive_at
        timers = (self.inbound.next_timer(), outbound, self._reporter.next_timer)
        return min(timer for timer in timers if timer is not None)

    def handle_timer(self, now: float) -> None:
        """Do what is due by now: packets of digits, digits without an end, RTCP."""
        if now >= self.inbound.digits.over_at:
            self.inbound.handle_timer(now)
        if self.outbound.pressing or not self._sends:
            self._send_in_place_of_audio(now)
        if now >= self._reporter.next_timer:
            report = self._reporter.due_report(self.inbound.ssrc, now)
            if report is not None:
                self._queue_rtcp(report)

    def datagrams_to_send(self) -> list[Datagram]:
        """Take the RTP datagrams to be sent, oldest first."""
        datagrams, self.rtp_waiting = self.rtp_waiting, []
        return datagrams

    def rtcp_to_send(self) -> list[Datagram]:
        """Take the RTCP datagrams to be sent, oldest first."""
        datagrams, self.rtcp_waiting = self.rtcp_waiting, []
        return datagrams

    def next_event(self) -> RtpEvent | None:
        """The oldest event not yet told."""
        return self.inbound.events.popleft() if self.inbound.events else None

    def update_remote(self, params: RtpParams, now: float) -> None:
        """Take what a re-INVITE negotiated. A new remote address opens the source lock; the same keeps it."""
        self._params, self._sends = params, params.sends
        self.inbound.configure(params)
        self._clock.configure()
        self.inbound.latch.expect(params.remote_rtp, now)
        self.outbound.configure(params)
        self._reporter.configure(params)

    def close(self, now: float) -> None:
        """Say goodbye by RTCP."""
        self._queue_rtcp(self._reporter.goodbye(self.inbound.ssrc, now))

    def report(self, now: float) -> RtpReport:
        """Both directions up to now, from the beginning of the call, for its record."""
        reporter, inbound = self._reporter, self.inbound.report(now)
        one_way_ms = (reporter.rtt_ms or 0.0) / 2 + self._params.ptime_ms
        inbound.mos = round(mos(inbound.loss_percent, one_way_ms + inbound.jitter_mean_ms), 2)
        inbound.foreign_rtcp, inbound.stun = reporter.foreign, self._stun
        self._clock.fill_in(inbound)
        report = RtpReport(inbound, reporter.outbound_report(self._unsent, one_way_ms), reporter.rtt_ms)
        if self._before is None:
            return report
        return added(self._before.report, report, is_same_stream=self._is_same_stream)

    def _send_in_place_of_audio(self, now: float) -> None:
        target = self.inbound.latch.target
        if target is not None:
            due = self.outbound.event_packets(now) if self._sends else self.outbound.keepalives(now)
            self.rtp_waiting += [(data, target) for data in due]

    def _queue_rtcp(self, data: bytes) -> None:
        target = self.inbound.latch.target
        if target is not None:
            self.rtcp_waiting.append((data, self._reporter.destination(target)))
