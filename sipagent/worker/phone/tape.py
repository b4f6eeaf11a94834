"""A leg's recording, if it has one: what goes into it beside the audio path, and what is kept out of it."""

from __future__ import annotations

import asyncio
import time

from sipagent.formats import AudioFormat
from sipagent.media.recorder import MUTE_AFTER_S, Recorder, RecordingOutcome, RecordingWriter
from sipagent.worker.orders import OpenLeg
from sipagent.worker.reporter import Reporter
from sipagent.worker.ticker import FRAME_MS

RECORDING_DEADLINE_S = 5.0


class Tape:
    """`recorder` is for the audio path to tap; None if the call isn't recorded, or not until `start`.

    If digits are not to be kept, both sides are silent in the recording for as long as one is being pressed,
    and somewhat before and after: telephones let the tone through until they have recognised it themselves.
    """

    def __init__(
        self,
        order: OpenLeg,
        writer: RecordingWriter,
        reporter: Reporter,
        *,
        agent: AudioFormat,
    ) -> None:
        self.recorder: Recorder | None = None
        self.hides_digits = False
        """Whether the caller's digits have to be looked out for."""
        self._path = order.recording
        self._keeps_digits = order.record_digits
        self._reporter = reporter
        self._is_truncated = False
        self._writer = writer
        self._queued = agent
        lost = order.resumption
        self._goes_on_from = lost if lost is not None and lost.recorded_since is not None else None

    @property
    def since(self) -> float | None:
        """The moment of the recording's first sample, if there is one."""
        return None if self.recorder is None else self.recorder.since

    def start(self, caller: AudioFormat, now: float) -> bool:
        """Record from now on. False for a call that isn't to be recorded, or is already."""
        if self._path is None or self.recorder is not None:
            return False
        lost = self._goes_on_from
        self.recorder = Recorder(
            self._path,
            self._writer,
            caller,
            self._queued,
            now if lost is None else lost.lost_at,
            on_truncated=self._truncated,
            goes_on_from=None if lost is None else lost.recorded_since,
        )
        self.hides_digits = not self._keeps_digits
        self._agent = self.recorder.lane("agent", self._queued)
        return True

    def advance(self, now: float) -> None:
        """To be called several times a second."""
        recorder = self.recorder
        if recorder is not None:
            recorder.advance(now)
            if self._goes_on_from is not None:
                self._tell_resumed(recorder, now)

    def mute_key(self) -> None:
        """A key of the caller's is down, by what we hear."""
        if self.recorder is not None and self.hides_digits:
            self.recorder.mute_caller()

    def mute_press(self, duration_ms: int) -> None:
        """The caller presses a key about now, for so long, as signalling has it."""
        if self.recorder is not None and self.hides_digits:
            self.recorder.mute_caller(after_s=MUTE_AFTER_S + duration_ms / 1000)

    def mute_agent(self) -> None:
        """The agent's next frame is part of a digit."""
        if self.recorder is not None and self.hides_digits:
            self.recorder.mute_agent(FRAME_MS / 1000)

    def doubt_caller(self, samples: int) -> None:
        """Silence that the caller's side was given turns out to have been too much."""
        if samples and self.recorder is not None:
            self.recorder.doubt_caller(samples)

    def silent_agent(self, silence: bytes, now: float) -> None:
        """The peer is sent no audio in this frame: so its place is kept."""
        if self.recorder is not None:
            self._agent(silence, now)

    async def finish(self, now: float) -> RecordingOutcome | None:
        """A call ends in time even if the disk hangs: then its recording is completed when it can be."""
        if self.recorder is None:
            return None
        try:
            async with asyncio.timeout(RECORDING_DEADLINE_S):
                outcome = await asyncio.wrap_future(self.recorder.finish(now))
        except TimeoutError:
            outcome = RecordingOutcome(str(self._path), truncated=True)
        self._tell_resumed(self.recorder, now)
        self.recorder = None
        if outcome.truncated and not self._is_truncated:
            self._truncated("it could not be completed")
        return outcome

    def _tell_resumed(self, recorder: Recorder, now: float) -> None:
        """Once, if it goes on where another worker's ended."""
        if self._goes_on_from is not None and (missing_ms := recorder.missing_ms) is not None:
            self._reporter.recording_resumed(self._goes_on_from.lost_at, missing_ms, now)
            self._goes_on_from = None

    def _truncated(self, why: str) -> None:
        self._is_truncated = True
        self._reporter.recording_truncated(why, time.monotonic())
