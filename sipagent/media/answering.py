"""Listens for who has answered a call of ours, beside the callee's audio, until it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rtp.answering import Answerer, AnsweringDetector, AnsweringParams, Beep
from sipagent.formats import AudioFormat
from sipagent.media.nodes import Write, decoder

Tell = Callable[[Answerer | Beep, float], None]


class AnswerWatch:
    """One per call, from its answer on. `tell` gets who it is, and when a machine takes a message."""

    def __init__(self, params: AnsweringParams, tell: Tell) -> None:
        self._params = params
        self._tell = tell
        self._detector: AnsweringDetector | None = None

    @property
    def is_over(self) -> bool:
        """Everything has been told: nothing need be written any more."""
        return self._detector is not None and self._detector.is_over

    def lane(self, source: AudioFormat) -> Write:
        """Where the callee's law bytes are written, from now on in format `source`."""
        decode = decoder(source)

        def listen(audio: bytes, now: float) -> None:
            if not self.is_over:
                self._pass_on(self._listening(now).hear(decode(audio), now), now)

        return listen

    def tick(self, now: float) -> None:
        """To be called on every tick, also while nothing comes; the first is at the answer."""
        self._pass_on(self._listening(now).tick(now), now)

    def _listening(self, now: float) -> AnsweringDetector:
        if self._detector is None:
            self._detector = AnsweringDetector(self._params, now)
        return self._detector

    def _pass_on(self, told: Iterable[Answerer | Beep], now: float) -> None:
        for each in told:
            self._tell(each, now)
