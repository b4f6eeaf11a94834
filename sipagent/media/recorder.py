"""The recording of one call: stereo WAV, caller left, agent right, on one clock, agent side as heard.

Audio is collected on the loop and written by one thread per worker, so a slow disk never delays audio.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Literal

from rtp.taps import StereoTimeline
from sipagent.formats import AudioFormat
from sipagent.media.nodes import Write, conversions
from sipagent.media.recording_file import RATE, RecordingFile, RecordingOutcome
from sipagent.media.recording_writer import RecordingWriter

__all__ = ["Recorder", "RecordingOutcome", "RecordingWriter"]

WRITE_EVERY_S = 0.5
#: How much of the latest audio waits to be written: it may have to be muted, and silence may give way in it.
KEEP_S = 0.5
#: What is muted with a press.
MUTE_BEFORE_S, MUTE_AFTER_S = 0.3, 0.2

Side = Literal["caller", "agent"]


class Recorder:
    """Collects both sides of one call. Lives on the loop; does no file I/O itself."""

    def __init__(
        self,
        path: str,
        writer: RecordingWriter,
        caller: AudioFormat,
        agent: AudioFormat,
        start: float,
        *,
        on_truncated: Callable[[str], None],
        goes_on_from: float | None = None,
    ) -> None:
        """`goes_on_from` is `since` of a recording in the same file, which a worker began that is dead."""
        self._formats: dict[Side, AudioFormat] = {"caller": caller, "agent": agent}
        self._timeline = StereoTimeline(rate=RATE, start=start, left=caller.silence, right=agent.silence)
        goes_on_at = None if goes_on_from is None else round((start - goes_on_from) * RATE)
        self._file = RecordingFile(path, caller, agent, goes_on_at)
        self._goes_on_from = goes_on_from
        self._writer = writer
        self._on_truncated = on_truncated
        self._next_write: float | None = None
        """Not before what waited for the next worker, since `start`, had time to come."""
        self._failure: str | None = None

    @property
    def since(self) -> float:
        """The moment of the file's first sample."""
        return self._timeline.start if self._goes_on_from is None else self._goes_on_from

    @property
    def missing_ms(self) -> int | None:
        """What of a recording that goes on was lost with its worker; None as long as that isn't known."""
        return None if self._file.missing is None else self._file.missing * 1000 // RATE

    def lane(self, side: Side, source: AudioFormat) -> Write:
        """Where one side's audio is written, from now on in format `source`."""
        write = self._timeline.write_left if side == "caller" else self._timeline.write_right
        steps = conversions(source, self._formats[side])
        if not steps:
            return write

        def converted(audio: bytes, now: float) -> None:
            for _, step in steps:
                audio = step(audio)
            write(audio, now)

        return converted

    def advance(self, now: float) -> None:
        """Hand a chunk to the writer every now and then, both sides kept with the clock."""
        if self._next_write is None:
            self._next_write = now + WRITE_EVERY_S
        elif now >= self._next_write:
            self._next_write += WRITE_EVERY_S
            self._write(*self._timeline.take(now, KEEP_S))
        if self._file.failure is not None:
            self._notice(self._file.failure)

    def mute_caller(self, before_s: float = MUTE_BEFORE_S, after_s: float = MUTE_AFTER_S) -> None:
        """Put silence in the place of a press: of the latest audio, and of the next."""
        self._timeline.mute_left(before_s, after_s)

    def doubt_caller(self, samples: int) -> None:
        """So much silence at the end of the caller's side stands for audio that was late and comes now."""
        self._timeline.doubt_left(samples)

    def mute_agent(self, after_s: float) -> None:
        """Put silence in the place of what the agent's side gets next."""
        self._timeline.mute_right(0.0, after_s)

    def finish(self, now: float) -> Future[RecordingOutcome]:
        """Write the rest; the future holds the outcome when the file is complete."""
        self._write(*self._timeline.finish(now))
        outcome: Future[RecordingOutcome] = Future()
        outcome.set_running_or_notify_cancel()  # whoever stops waiting must not stop the writing

        def done() -> None:
            self._file.failure = self._file.failure or self._failure
            outcome.set_result(self._file.finish())

        self._writer.submit_end(done)
        return outcome

    def _write(self, left: bytes, right: bytes) -> None:
        """What a slow disk has no time for ends the recording: what comes later would stand in its place."""
        if not left or self._failure is not None:
            return
        if not self._writer.submit(partial(self._file.write, left, right)):
            self._notice("the disk is too slow")

    def _notice(self, failure: str) -> None:
        if self._failure is None:
            self._failure = failure
            self._on_truncated(failure)
