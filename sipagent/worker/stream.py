"""The phone side of a leg while audio flows: sockets, RTP session, audio path, recording, on the tick.

in    udp -> rtp.session (latch, statistics, jitter buffer) -> pipeline.caller -> backend
out   playout -> pipeline.wire -> rtp.session -> udp

`transport` is session and sockets, and on an SRTP call what stands between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rtp.address import Address
from rtp.events import DigitReceived, PlayoutEvent
from rtp.handover import Handover
from rtp.playout import Playout
from rtp.session import JitterConfig, RtpParams, RtpSession
from sipagent import logs
from sipagent.backends.base import Backend
from sipagent.errors import EndReason
from sipagent.events import DigitMethod
from sipagent.formats import CODECS, AudioFormat
from sipagent.media import pipeline
from sipagent.media.answering import AnswerWatch
from sipagent.media.digits import DigitDetector
from sipagent.media.ears import Ears
from sipagent.media.nodes import Node
from sipagent.media.recorder import RecordingOutcome, RecordingWriter
from sipagent.worker.bridge import Source
from sipagent.worker.ipc import OpenLeg
from sipagent.worker.media_watch import MediaWatch
from sipagent.worker.outgoing import Outgoing
from sipagent.worker.reporter import Reporter
from sipagent.worker.tap import Tap
from sipagent.worker.tape import Tape
from sipagent.worker.ticker import FRAME_MS, Ticker
from sipagent.worker.transport import OpenUdp, Receive, RtpTransport

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Upwards:
    """What a stream tells its leg. A leg that is told to `end` calls `finish`, soon."""

    played: Callable[[PlayoutEvent, float], None]
    tick: Callable[[float], None]
    press: Callable[[str, int, DigitMethod], None]
    end: Callable[[str, str], None]


class Stream:
    """Flows from construction to `finish`. `agent` is the path from backend to playout, for the printout.

    On hold the backend gets silence at the pace of the clock, so that its own times go on, and not what the
    peer may play to us meanwhile; agent audio waits in playout. A peer that still listens, `sendonly` on our
    side, goes on hearing the agent.
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
    ) -> None:
        now = time.monotonic()
        self._detect_inband = order.detect_inband
        self._playout = playout
        self._backend = backend
        self._agent = agent
        self._reporter = reporter
        self._ticker = ticker
        self._leg = leg
        self._queued, self._ears = queued, ears
        self._answering = answering
        phone = CODECS[params.codec]
        jitter = JitterConfig(order.jitter_min_ms, order.jitter_max_ms)
        lost = order.resumption
        before = None if lost is None else lost.session
        self._session = session = RtpSession(
            params, jitter, now, unix_offset_s=time.time() - now, before=before
        )
        self._watch = MediaWatch(order.timeouts, now)
        self._tape = Tape(order, recordings, reporter, agent=self._queued)
        if order.record_at_once or (lost is not None and lost.recorded_since is not None):
            self._tape.start(phone, now)
        self._tap = Tap(reporter.tapped)
        self._detector = DigitDetector(lambda digit, ms, now: leg.press(digit, ms, "inband"))
        self._outgoing = Outgoing(
            playout, self._queued, hold_tone=order.hold_tone, hush=self._tape.mute_agent
        )
        self._is_ahead = False
        self._far: Source | None = None
        self._far_wire: tuple[AudioFormat, Node] | None = None
        self._is_drawn_from = False
        self._agent_listens = True
        self._shape: tuple[AudioFormat, bool] | None = None
        self._take_up(params, now)
        receive = (partial(self._take, session.receive_datagram), partial(self._take, session.receive_rtcp))
        self._transport = RtpTransport(session, open_udp, receive, before)
        if params.srtp is not None:
            self._transport.encrypt(params.srtp, now)
        self._transport.open()
        ticker.add(self._tick, self._fail)

    def update(self, params: RtpParams) -> None:
        """Take what a re-INVITE changed: address, codec, direction, keys."""
        now = time.monotonic()
        if params.srtp is not None:
            self._transport.encrypt(params.srtp, now)
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
            self._wire.write(frame, now)
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
        self._far, self._far_wire = source, None

    def use(self, backend: Backend, agent: Node) -> None:
        """Another backend speaks and hears from now on."""
        self._backend, self._agent = backend, agent
        assert self._shape is not None
        self._build_path(*self._shape, time.monotonic())

    def start_recording(self) -> None:
        """Record from now on, if the call is to be recorded and isn't yet."""
        now = time.monotonic()
        if self._tape.start(self.format, now):
            self._shape = self.format, self._detector.counts or self._tape.hides_digits
            self._build_path(*self._shape, now)
            self._reporter.recording_started(now)

    def tap(self, on: bool) -> None:
        """Let somebody outside hear both sides, or no more."""
        if on != self._tap.is_on:
            self._tap.switch(on)
            assert self._shape is not None
            self._build_path(*self._shape, time.monotonic())

    def let_agent_listen(self, listens: bool) -> None:
        """An agent that doesn't hears silence, so that its own times go on."""
        self._agent_listens = listens

    def be_drawn_from(self, drawn: bool) -> None:
        """Another phone listens: it takes `frame` by its own clock, in the place of packets as they come."""
        self._is_drawn_from = drawn
        if not drawn:
            self._session.stop_playing()

    @property
    def early_packets(self) -> int:
        """How many came in before anybody had answered, and were not listened to."""
        return self._transport.early_packets

    @property
    def format(self) -> AudioFormat:
        """The law that the phone speaks."""
        assert self._shape is not None
        return self._shape[0]

    def frame(self, now: float) -> bytes:
        """The phone's next 20 ms, for a phone that listens; recording and agent get them on the way."""
        piece = self._session.play_frame(len(self._silence), now)
        audio = self._silence if piece is None else piece.payload
        self._caller.write(audio, now)
        return audio

    async def finish(self) -> tuple[dict[str, Any], RecordingOutcome | None]:
        """Stop, say goodbye by RTCP, complete the recording. Returns the RTP report and the recording."""
        now = time.monotonic()
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
        asked = self._detect_inband
        self._detector.counts = asked == "always" or (asked == "auto" and not self._session.sends_digits)
        self._on_hold = self._outgoing.on_hold = params.direction != "sendrecv"
        self._watch.hold(self._on_hold, now)
        shape = CODECS[params.codec], self._detector.counts or self._tape.hides_digits
        if shape != self._shape:
            self._shape = shape
            self._build_path(*shape, now)

    def _build_path(self, phone: AudioFormat, detects_digits: bool, now: float) -> None:
        backend, recorder = self._backend, self._tape.recorder
        self._silence = phone.silence * (FRAME_MS * phone.bytes_per_ms)
        self._caller = pipeline.caller(
            phone,
            backend.input_format,
            self._to_backend,
            recorder,
            self._detector if detects_digits else None,
            self._ears,
            self._tap.caller_lane if self._tap.is_on else None,
            self._answering,
        )
        self._wire = pipeline.wire(self._queued, phone, self._to_rtp, recorder, self._ears)
        self._far_wire = None
        path = f"caller: rtp -> {self._caller} | agent: backend -> {self._agent} -> {self._wire}"
        self._reporter.path_built(path, now)

    def _take(self, receive: Receive, data: bytes, addr: Address, now: float) -> None:
        try:
            receive(data, addr, now)
            self._drain(now)
        except Exception as error:  # the worker loop's edge: its own handler would leave a deaf call
            log.exception("packet_failed")
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._leg.end(EndReason.INTERNAL_ERROR, repr(error))

    def _drain(self, now: float) -> None:
        """Move what the jitter buffer lets go, holes concealed, and tell what the session noticed.

        It goes on in one piece, of which the last was heard now: a recording so finds the place of audio that
        was held back.
        """
        inbound = self._session.inbound
        stretched = inbound.stretched
        audio = b"" if self._is_drawn_from else self._ready_audio(now)
        if inbound.stretched != stretched:
            self._tape.doubt_caller(inbound.stretched - stretched)
        if audio and not self._on_hold:
            self._caller.write(audio, now)
        if inbound.events:
            self._tell(now)

    def _ready_audio(self, now: float) -> bytes:
        pop = self._session.inbound.pop
        first = pop(now)
        if first is None:
            return b""
        if (frame := pop(now)) is None:
            return first.payload
        frames = [first.payload]
        while frame is not None:
            frames.append(frame.payload)
            frame = pop(now)
        return b"".join(frames)

    def _tell(self, now: float) -> None:
        while (event := self._session.next_event()) is not None:
            if isinstance(event, DigitReceived):
                self._leg.press(event.digit, event.duration_ms, "rfc4733")
            else:
                self._reporter.rtp(event, now)

    def _tick(self, now: float, late_s: float) -> None:
        if late_s * 1000 > FRAME_MS:
            self._transport.receive_waiting()
        if self._session.inbound.is_due(now):
            self._drain(now)
        if self._answering is not None:
            self._watch_answerer(now)
        self._leg.tick(now)
        if self._on_hold and not self._is_drawn_from:
            self._caller.write(self._silence, now)
        if self._is_ahead:
            self._is_ahead = False
        else:
            self._fill_slot(now, late_s)
        self._session.handle_timer(now)
        self._transport.send()
        if self._tap.is_on:
            self._tap.tick(self.format)
        if self._tape.hides_digits and (self._session.hears_digit or self._detector.hears_digit):
            self._tape.mute_key()
        self._tape.advance(now)
        inbound = self._session.inbound
        overdue = self._watch.overdue(inbound.last_packet_at, inbound.pausing, now)
        if overdue is not None:
            self._leg.end(EndReason.MEDIA_TIMEOUT, overdue)

    def _watch_answerer(self, now: float) -> None:
        """Who has answered: once that is known, nobody listens for it any more."""
        if self._answering is None:
            return
        self._answering.tick(now)
        if self._answering.is_over:
            self._answering = None
            assert self._shape is not None
            self._build_path(*self._shape, now)

    def _fill_slot(self, now: float, late_s: float) -> None:
        """What goes out on this tick, and into the recording."""
        if self._outgoing.awaits_press:
            self._outgoing.press(self._session, now)
        far = None if self._far is None else self._far.frame(now)
        may_send = self._session.may_send
        if far is not None and may_send and not self._outgoing.is_dialling:
            self._wire_from_far().write(far, now)
        elif may_send:
            self._wire.write(self._outgoing.frame(now, late_s), now)
            self.report_playout(now)
        else:
            self._tape.silent_agent(self._outgoing.silence, now)

    def _wire_from_far(self) -> Node:
        """The way to the phone of what it hears instead of its agent, in the format that this has now."""
        assert self._far is not None
        source = self._far.format
        if self._far_wire is None or self._far_wire[0] != source:
            wire = pipeline.wire(source, self.format, self._to_rtp, self._tape.recorder)
            self._far_wire = source, wire
        return self._far_wire[1]

    def _to_rtp(self, audio: bytes, now: float) -> None:
        if self._tap.is_on:
            self._tap.agent_lane(audio, now)
        self._session.send_frame(audio, now)

    def _to_backend(self, audio: bytes, now: float) -> None:
        held = self._on_hold and self._is_drawn_from
        if not self._agent_listens or held:
            silence = self._backend.input_format.silence
            audio = silence * (len(audio) // len(silence))
        self._backend.send_audio(audio)
