"""The phone side of a leg while audio flows: sockets, RTP session, audio path, recording, on the tick.

in    udp -> rtp.session (latch, statistics, jitter buffer) -> pipeline.caller -> backend
out   playout -> pipeline.wire -> rtp.session -> udp

`worker.phone.incoming` and `worker.phone.outgoing` are the two ways, `worker.phone.paths` what they go along.
`transport` is session and sockets, and on an SRTP call what stands between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rtp.events import PlayoutEvent
from rtp.handover import Handover
from rtp.playout import Playout
from rtp.session import JitterConfig, RtpParams, RtpSession
from sipagent.backends.base import Backend
from sipagent.errors import EndReason
from sipagent.events import DigitMethod
from sipagent.formats import CODECS, AudioFormat
from sipagent.media.answering import AnswerWatch
from sipagent.media.digits import DigitDetector
from sipagent.media.ears import Ears
from sipagent.media.nodes import Node
from sipagent.media.recorder import RecordingOutcome, RecordingWriter
from sipagent.worker.media_watch import MediaWatch
from sipagent.worker.orders import OpenLeg
from sipagent.worker.phone.bridge import Source
from sipagent.worker.phone.incoming import Incoming
from sipagent.worker.phone.outgoing import Outgoing
from sipagent.worker.phone.paths import Paths
from sipagent.worker.phone.tap import Tap
from sipagent.worker.phone.tape import Tape
from sipagent.worker.phone.transport import OpenUdp, RtpTransport
from sipagent.worker.reporter import Reporter
from sipagent.worker.ticker import FRAME_MS, Ticker

FRAME_S = FRAME_MS / 1000
#: From one look at what takes seconds to the next.
LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Upwards:
    """What a stream tells its leg: `tick` on each one, `look` on the first and then every `LOOK_EVERY_S`. A
    leg that is told to `end` calls `finish`, soon."""

    played: Callable[[PlayoutEvent, float], None]
    tick: Callable[[float], None]
    look: Callable[[float], None]
    press: Callable[[str, int, DigitMethod], None]
    end: Callable[[str, str], None]


class Stream:
    """Flows from construction to `finish`. `agent` is the path from backend to playout, for the printout.

    On hold agent audio waits in playout. A peer that still listens, `sendonly` on our side, goes on hearing
    the agent.
    """

    def __init__(
        self,
        order: OpenLeg,
        params: RtpParams,
        *,
        playout: Playout,
        backend: Backend,
        agent: Node,
        reporter: Reporter,
        open_udp: OpenUdp,
        ticker: Ticker,
        leg: Upwards,
        recordings: RecordingWriter,
        queued: AudioFormat,
        ears: Ears | None,
        answering: AnswerWatch | None = None,
        clock: Callable[[], float],
        unix_offset_s: float,
    ) -> None:
        """`clock` gives monotonic seconds, and `unix_offset_s` is how far Unix time is ahead of that."""
        self._clock = clock
        now = clock()
        self._detect_inband = order.detect_inband
        self._playout = playout
        self._reporter = reporter
        self._ticker = ticker
        self._leg = leg
        self._answering = answering
        phone = CODECS[params.codec]
        lost = order.resumption
        before = None if lost is None else lost.session
        jitter = JitterConfig(order.jitter_min_ms, order.jitter_max_ms)
        self._session = session = RtpSession(params, jitter, now, unix_offset_s=unix_offset_s, before=before)
        self._watch = MediaWatch(order.timeouts, now)
        self._tape = Tape(order, recordings, reporter, agent=queued)
        if order.record_at_once or (lost is not None and lost.recorded_since is not None):
            self._tape.start(phone, now)
        self._tap = Tap(reporter.tapped)
        self._detector = DigitDetector(lambda digit, ms, now: leg.press(digit, ms, "inband"))
        self._outgoing = Outgoing(playout, queued, hold_tone=order.hold_tone, hush=self._tape.mute_agent)
        self._paths = Paths(
            phone,
            queued,
            session.send_frame,
            backend=backend,
            agent=agent,
            detector=self._detector,
            ears=ears,
            answering=answering,
            tape=self._tape,
            tap=self._tap,
            reporter=reporter,
        )
        fail = partial(_fail, leg)
        self._incoming = incoming = Incoming(
            session, self._paths, self._tape, press=leg.press, reporter=reporter, fail=fail
        )
        self._look_at = now
        self._is_ahead = False
        self._far: Source | None = None
        receive = (incoming.take_rtp, incoming.take_rtcp)
        self._transport = RtpTransport(session, open_udp, receive, before)
        self._take_up(params, now)
        self._transport.open()
        ticker.add(self._tick, fail)

    def update(self, params: RtpParams) -> None:
        """Take what a re-INVITE changed: address, codec, direction, keys."""
        now = self._clock()
        self._session.update_remote(params, now)
        self._take_up(params, now)

    def report_playout(self, now: float) -> None:
        """Tell what playout noticed."""
        while (event := self._playout.next_event()) is not None:
            self._leg.played(event, now)

    def begin_speech(self, now: float) -> None:
        """Agent audio has come: if it is the first, a frame goes out now, in the place of the next tick's."""
        if self._is_ahead or self._far is not None or not self._session.may_send:
            return
        frame = self._outgoing.first_frame(now)
        if frame is not None:
            self._is_ahead = True
            self._paths.speak(frame, now)
            self.report_playout(now)
            self._transport.send()

    def send_digits(self, digits: str, inband: bool) -> None:
        """Press keys towards the peer, one after the other; the agent waits meanwhile."""
        self._outgoing.dial(digits, inband)

    def mute_press(self, duration_ms: int) -> None:
        """A key that signalling has told of is to be kept out of the recording, if they all are."""
        self._tape.mute_press(duration_ms)

    def hear(self, source: Source | None) -> None:
        """From now on the phone hears `source` instead of its agent; None is the agent again."""
        self._far = source

    def use(self, backend: Backend, agent: Node) -> None:
        """Another backend speaks and hears from now on."""
        self._paths.use(backend, agent, self._clock())

    def start_recording(self) -> None:
        """Record from now on, if the call is to be recorded and isn't yet."""
        now = self._clock()
        if self._tape.start(self.format, now):
            self._paths.lay(now)
            self._reporter.recording_started(now)

    def tap(self, on: bool) -> None:
        """Let somebody outside hear both sides, or no more."""
        if on != self._tap.is_on:
            self._tap.switch(on)
            self._paths.lay(self._clock())

    def let_agent_listen(self, listens: bool) -> None:
        """An agent that doesn't hears silence, so that its own times go on."""
        self._incoming.let_agent_listen(listens)

    def be_drawn_from(self, drawn: bool) -> None:
        """Another phone listens: it takes `frame` by its own clock, in the place of packets as they come."""
        self._incoming.be_drawn_from(drawn)

    @property
    def early_packets(self) -> int:
        """How many came in before anybody had answered, and were not listened to."""
        return self._transport.early_packets

    @property
    def format(self) -> AudioFormat:
        """The law that the phone speaks."""
        return self._paths.format

    def frame(self, now: float) -> bytes:
        """The phone's next 20 ms, for a phone that listens; recording and agent get them on the way."""
        return self._incoming.frame(now)

    async def finish(self) -> tuple[dict[str, Any], RecordingOutcome | None]:
        """Stop, say goodbye by RTCP, complete the recording. Returns the RTP report and the recording."""
        now = self._clock()
        self._ticker.remove(self._tick)
        self._playout.flush()
        self.report_playout(now)
        report = self._transport.close(now)
        return report.as_dict(), await self._tape.finish(now)

    @property
    def recorded_since(self) -> float | None:
        """The moment of the recording's first sample, if there is one."""
        return self._tape.since

    def handover(self, now: float) -> Handover:
        """What another worker needs to go on from here."""
        return self._transport.handover(now)

    def _take_up(self, params: RtpParams, now: float) -> None:
        """Arrange everything for what was negotiated, at first or by a re-INVITE."""
        if params.srtp is not None:
            self._transport.encrypt(params.srtp, now)
        asked = self._detect_inband
        self._detector.counts = asked == "always" or (asked == "auto" and not self._session.sends_digits)
        on_hold = params.direction != "sendrecv"
        self._outgoing.on_hold = on_hold
        self._incoming.hold(on_hold)
        self._watch.hold(on_hold, now)
        self._paths.adapt(CODECS[params.codec], now)

    def _tick(self, now: float, late_s: float) -> None:
        if late_s > FRAME_S:
            self._transport.receive_waiting()
        if self._session.inbound.is_due(now):
            self._incoming.drain(now)
        if self._answering is not None:
            self._watch_answerer(self._answering, now)
        self._leg.tick(now)
        if self._incoming.fills_hold:
            self._paths.hear(self._paths.silence, now)
        if self._is_ahead:
            self._is_ahead = False
        else:
            self._fill_slot(now, late_s)
        self._session.handle_timer(now)
        self._transport.send()
        if self._tap.is_on:
            self._tap.tick(self._paths.format)
        if self._tape.hides_digits and (self._session.hears_digit or self._detector.hears_digit):
            self._tape.mute_key()
        if now >= self._look_at:
            self._look(now)

    def _watch_answerer(self, answering: AnswerWatch, now: float) -> None:
        """Who has answered: once that is known, nobody listens for it any more."""
        answering.tick(now)
        if answering.is_over:
            self._answering = None
            self._paths.forget_answering(now)

    def _fill_slot(self, now: float, late_s: float) -> None:
        """What goes out on this tick, and into the recording."""
        outgoing = self._outgoing
        if outgoing.awaits_press:
            outgoing.press(self._session, now)
        far = self._far.frame(now) if self._far is not None else None
        if not self._session.may_send:
            self._tape.silent_agent(outgoing.silence, now)
        elif far is None or outgoing.is_dialling:
            self._paths.speak(outgoing.frame(now, late_s), now)
            if self._playout.events:
                self.report_playout(now)
        else:
            assert self._far is not None
            self._paths.from_far(self._far.format)(far, now)

    def _look(self, now: float) -> None:
        """At what takes seconds."""
        self._look_at = max(self._look_at + LOOK_EVERY_S, now)
        self._leg.look(now)
        self._tape.advance(now)
        inbound = self._session.inbound
        overdue = self._watch.overdue(inbound.last_packet_at, inbound.pausing, now)
        if overdue is not None:
            self._leg.end(EndReason.MEDIA_TIMEOUT, overdue)


def _fail(leg: Upwards, error: Exception) -> None:
    leg.end(EndReason.INTERNAL_ERROR, repr(error))
