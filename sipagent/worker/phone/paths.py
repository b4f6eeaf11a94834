"""The audio paths of a stream: laid anew whenever what they join, or what listens on the way, is another."""

from __future__ import annotations

from sipagent.backends.base import Backend
from sipagent.formats import AudioFormat
from sipagent.media import pipeline
from sipagent.media.answering import AnswerWatch
from sipagent.media.digits import DigitDetector
from sipagent.media.ears import Ears
from sipagent.media.nodes import Node, Write
from sipagent.worker.phone.tap import Tap
from sipagent.worker.phone.tape import Tape
from sipagent.worker.reporter import Reporter
from sipagent.worker.ticker import FRAME_MS


class ToBackend:
    """The end of the caller's way. With `agent_listens` off the backend hears silence, so that its own times
    go on."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.agent_listens = True

    def write(self, audio: bytes, now: float) -> None:
        if not self.agent_listens:
            silence = self.backend.input_format.silence
            audio = silence * (len(audio) // len(silence))
        self.backend.send_audio(audio)


class Paths:
    """`adapt` lays them for the first time. `agent` is the path from backend to playout, for the printout."""

    hear: Write
    """The caller's way, from RTP to the backend."""
    speak: Write
    """The agent's way, from playout to RTP."""
    silence: bytes
    """A frame of it in the phone's law."""

    def __init__(
        self,
        phone: AudioFormat,
        queued: AudioFormat,
        to_rtp: Write,
        *,
        backend: Backend,
        agent: Node,
        detector: DigitDetector,
        ears: Ears | None,
        answering: AnswerWatch | None,
        tape: Tape,
        tap: Tap,
        reporter: Reporter,
    ) -> None:
        self.format = phone
        """The law that the phone speaks."""
        self.to_backend = ToBackend(backend)
        self._queued, self._to_rtp = queued, to_rtp
        self._agent = agent
        self._detector, self._ears, self._answering = detector, ears, answering
        self._tape, self._tap = tape, tap
        self._reporter = reporter
        self._detects_digits: bool | None = None
        self._far: tuple[AudioFormat, Write] | None = None

    def adapt(self, phone: AudioFormat, now: float) -> None:
        """The phone speaks this law; and digits may have to be listened for, or no more."""
        if phone != self.format or self._detects_digits is not self._must_detect_digits:
            self.format = phone
            self.lay(now)

    def use(self, backend: Backend, agent: Node, now: float) -> None:
        """Another backend speaks and hears from now on."""
        self.to_backend.backend, self._agent = backend, agent
        self.lay(now)

    def forget_answering(self, now: float) -> None:
        """It is known who has answered."""
        self._answering = None
        self.lay(now)

    def from_far(self, source: AudioFormat) -> Write:
        """The way to the phone of what it hears instead of its agent, in the format that this has now."""
        if self._far is None or self._far[0] != source:
            wire = pipeline.wire(source, self.format, self._to_rtp, self._tape.recorder, tap=self._agent_tap)
            self._far = source, wire.write
        return self._far[1]

    def lay(self, now: float) -> None:
        """Lay both, with what there is now of recorder and tap, and tell how they go."""
        self._detects_digits = self._must_detect_digits
        recorder = self._tape.recorder
        caller = pipeline.caller(
            self.format,
            self.to_backend.backend.input_format,
            self.to_backend.write,
            recorder,
            self._detector if self._detects_digits else None,
            self._ears,
            self._tap.caller_lane if self._tap.is_on else None,
            self._answering,
        )
        wire = pipeline.wire(
            self._queued, self.format, self._to_rtp, recorder, self._ears, tap=self._agent_tap
        )
        self.hear, self.speak, self._far = caller.write, wire.write, None
        self.silence = self.format.silence * (FRAME_MS * self.format.bytes_per_ms)
        path = f"caller: rtp -> {caller} | agent: backend -> {self._agent} -> {wire}"
        self._reporter.path_built(path, now)

    @property
    def _must_detect_digits(self) -> bool:
        return self._detector.counts or self._tape.hides_digits

    @property
    def _agent_tap(self) -> Write | None:
        return self._tap.agent_lane if self._tap.is_on else None
