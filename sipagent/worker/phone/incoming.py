"""What comes in from the phone: from datagrams to audio on the caller's path, digits and events."""

from __future__ import annotations

from collections.abc import Callable

from rtp.address import Address
from rtp.events import DigitReceived
from rtp.session import RtpSession
from sipagent import logs
from sipagent.events import DigitMethod
from sipagent.worker.phone.paths import Paths
from sipagent.worker.phone.tape import Tape
from sipagent.worker.reporter import Reporter

log = logs.get_logger(__name__)


class Incoming:
    """On hold the backend gets silence at the pace of the clock, so that its own times go on, and not what
    the peer may play to us meanwhile. What raises here is passed to `fail`: it would leave a deaf call.
    """

    def __init__(
        self,
        session: RtpSession,
        paths: Paths,
        tape: Tape,
        *,
        press: Callable[[str, int, DigitMethod], None],
        reporter: Reporter,
        fail: Callable[[Exception], None],
    ) -> None:
        self.fills_hold = False
        """Is silence to be written on every tick in the place of what comes?"""
        self._session = session
        self._receiver = session.inbound
        self._paths = paths
        self._tape = tape
        self._press = press
        self._reporter = reporter
        self._fail = fail
        self._stretched = 0
        self._on_hold = self._is_drawn_from = False
        self._agent_listens = True

    def hold(self, on_hold: bool) -> None:
        """The call is held from now on, or resumed."""
        self._on_hold = on_hold
        self._decide_who_hears()

    def let_agent_listen(self, listens: bool) -> None:
        """An agent that doesn't hears silence, so that its own times go on."""
        self._agent_listens = listens
        self._decide_who_hears()

    def be_drawn_from(self, drawn: bool) -> None:
        """Another phone listens: it takes `frame` by its own clock, in the place of packets as they come."""
        self._is_drawn_from = drawn
        self._decide_who_hears()
        if not drawn:
            self._session.stop_playing()
            self._stretched = self._receiver.stretched

    def frame(self, now: float) -> bytes:
        """The phone's next 20 ms, for a phone that listens; recording and agent get them on the way."""
        silence = self._paths.silence
        piece = self._session.play_frame(len(silence), now)
        audio = silence if piece is None else piece.payload
        self._paths.hear(audio, now)
        return audio

    def take_rtp(self, data: bytes, addr: Address, now: float) -> None:
        try:
            audio = None if self._is_drawn_from else self._receiver.hear(data, addr, now)
            if audio is None:
                self._session.receive_datagram(data, addr, now)
                self.drain(now)
            elif not self._on_hold:
                self._paths.hear(audio, now)
        except Exception as error:  # the worker loop's edge: its own handler would leave a deaf call
            log.exception("packet_failed")
            self._fail(error)

    def take_rtcp(self, data: bytes, addr: Address, now: float) -> None:
        try:
            self._session.receive_rtcp(data, addr, now)
            self.drain(now)
        except Exception as error:  # the worker loop's edge, likewise
            log.exception("packet_failed")
            self._fail(error)

    def drain(self, now: float) -> None:
        """Move what the jitter buffer lets go, holes concealed, and tell what the session noticed.

        It goes on in one piece, of which the last was heard now: a recording so finds the place of audio that
        was held back.
        """
        if not self._is_drawn_from:
            audio = self._ready_audio(now)
            stretched = self._receiver.stretched
            if stretched != self._stretched:
                self._tape.doubt_caller(stretched - self._stretched)
                self._stretched = stretched
            if audio and not self._on_hold:
                self._paths.hear(audio, now)
        if self._receiver.events:
            self._tell(now)

    def _ready_audio(self, now: float) -> bytes:
        pop = self._receiver.pop
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
                self._press(event.digit, event.duration_ms, "rfc4733")
            else:
                self._reporter.rtp(event, now)

    def _decide_who_hears(self) -> None:
        """The agent hears nothing of a held caller who talks to somebody else."""
        self.fills_hold = self._on_hold and not self._is_drawn_from
        is_away = self._on_hold and self._is_drawn_from
        self._paths.to_backend.agent_listens = self._agent_listens and not is_away
