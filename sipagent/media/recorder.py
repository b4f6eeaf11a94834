"""The recording of one call: stereo WAV, caller left, agent right, on one clock, agent side as heard.

Audio is collected on the loop and written by one thread per worker, so a slow disk never delays audio.
The file grows as `*.wav.part`; its header is set right and the name completed at the end, or by `repair`
on the next start if the process died.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from rtp import wav
from rtp.taps import StereoTimeline
from sipagent import logs
from sipagent.formats import AudioFormat
from sipagent.media.nodes import Write, conversions, decoder

log = logs.get_logger(__name__)

RATE = 8000
#: One sample of both sides.
FRAME_BYTES = 4
WRITE_EVERY_S = 0.5
QUEUE_CHUNKS = 4096
PART = ".part"
#: What a recording that has filled the disk gives back of its end, so that call records find room.
SPARE_BYTES = 64 * 1024
#: How much of the latest audio waits to be written: it may have to be muted, and silence may give way in it.
KEEP_S = 0.5
#: What is muted with a press.
MUTE_BEFORE_S, MUTE_AFTER_S = 0.3, 0.2

Side = Literal["caller", "agent"]


@dataclass(frozen=True, slots=True)
class RecordingOutcome:
    """`truncated` tells that audio is missing because the disk failed or was too slow."""

    path: str
    truncated: bool


class RecordingFile:
    """The file of one recording; used from the writer thread only, after construction."""

    def __init__(
        self, path: Path, decode_left: AudioFormat, decode_right: AudioFormat, goes_on_at: int | None = None
    ) -> None:
        """With `goes_on_at`, in samples, it goes on with what a dead worker left: what of that is missing
        becomes silence."""
        self.path = path
        self.missing: int | None = None
        """How many samples a dead worker took along, once that is known."""
        self._goes_on_at = goes_on_at
        self.failure: str | None = None
        """Why audio is missing from here on."""
        self._decoders = (_to_pcm(decode_left), _to_pcm(decode_right))
        self._file: BinaryIO | None = None

    def write(self, left: bytes, right: bytes) -> None:
        """Append equal lengths of both sides. A disk error marks the recording truncated, for good."""
        if self.failure is not None:
            return
        try:
            if self._file is None:
                self._file = self._opened()
            _write_all(self._file, interleave(self._decoders[0](left), self._decoders[1](right)))
        except OSError as error:
            self._fail(error)
            if error.errno == errno.ENOSPC and self._file is not None:
                with contextlib.suppress(OSError):
                    give_back(self._file)

    def finish(self) -> RecordingOutcome:
        """Complete the file and close it, under its own name."""
        try:
            if self._file is not None:
                with self._file:
                    complete(self._file)
                os.replace(_part(self.path), self.path)
        except OSError as error:
            self._fail(error)
        return RecordingOutcome(str(self.path), truncated=self.failure is not None)

    def _opened(self) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = _part(self.path)
        is_left = self._goes_on_at is not None and part.exists()
        file = open(part, "r+b" if is_left else "xb", buffering=0)  # noqa: SIM115 - closed by finish()
        try:
            if not is_left:
                _write_all(file, wav.header(channels=2, rate=RATE, data_bytes=0))
            if self._goes_on_at is not None:
                self.missing = _fill_up(file, self._goes_on_at)
        except OSError:
            file.close()
            raise
        return file

    def _fail(self, error: OSError) -> None:
        self.failure = self.failure or error.strerror or repr(error)


class RecordingWriter:
    """The writer thread of one worker.

    Its queue is bounded: chunks over the bound are lost and counted. The one end of a recording is always
    taken, so that no file stays open.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="recording-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> bool:
        """Queue the writing of a chunk; False if the disk is so slow that the queue is full."""
        if self._jobs.qsize() >= QUEUE_CHUNKS:
            return False
        self._jobs.put(job)
        return True

    def submit_end(self, job: Callable[[], None]) -> None:
        """Queue the end of a recording."""
        self._jobs.put(job)

    def close(self) -> None:
        """Write what is queued, then end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class Recorder:
    """Collects both sides of one call. Lives on the loop; does no file I/O itself."""

    def __init__(
        self,
        path: Path,
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
        self._timeline = StereoTimeline(rate=RATE, start=start, left=_unit(caller), right=_unit(agent))
        goes_on_at = None if goes_on_from is None else round((start - goes_on_from) * RATE)
        self._file = RecordingFile(path, caller, agent, goes_on_at)
        self._goes_on_from = goes_on_from
        self._writer = writer
        self._on_truncated = on_truncated
        self._next_write = start + WRITE_EVERY_S
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
        if now >= self._next_write:
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
        if not self._writer.submit(lambda: self._file.write(left, right)):
            self._notice("the disk is too slow")

    def _notice(self, failure: str | None) -> None:
        if failure is not None and self._failure is None:
            self._failure = failure
            self._on_truncated(failure)


def interleave(left: bytes, right: bytes) -> bytes:
    """Two mono s16le strings of equal length to one stereo string."""
    stereo = np.empty((len(left) // 2, 2), np.int16)
    stereo[:, 0] = np.frombuffer(left, np.int16)
    stereo[:, 1] = np.frombuffer(right, np.int16)
    return stereo.tobytes()


def give_back(file: BinaryIO) -> None:
    """Free some of the room that a recording takes."""
    size = file.seek(0, os.SEEK_END)
    file.truncate(max(size - SPARE_BYTES, wav.HEADER_BYTES))


def _fill_up(file: BinaryIO, samples: int) -> int:
    """Have whole samples in an open recording, and with silence as many as said. Returns how many were
    missing; the file is then at its end."""
    held = max(file.seek(0, os.SEEK_END) - wav.HEADER_BYTES, 0) // FRAME_BYTES
    file.truncate(wav.HEADER_BYTES + max(held, samples) * FRAME_BYTES)
    file.seek(0, os.SEEK_END)
    return max(samples - held, 0)


def complete(file: BinaryIO) -> None:
    """Give an open recording the header that its length asks for, and make it durable."""
    size = file.seek(0, os.SEEK_END)
    data_bytes = max(size - wav.HEADER_BYTES, 0) // FRAME_BYTES * FRAME_BYTES
    file.seek(0)
    file.write(wav.header(channels=2, rate=RATE, data_bytes=data_bytes))
    file.truncate(wav.HEADER_BYTES + data_bytes)
    os.fsync(file.fileno())


def repair(directory: Path) -> list[Path]:
    """Complete every `*.part` under `directory` that a dead process left. Returns the recordings' paths.

    A worker that outlived its server for a moment may complete its recordings at the same time: whoever
    renames the file first is right. A file that can't be repaired now is left for the next start.
    """
    parts = sorted(directory.rglob(f"*.wav{PART}"))
    paths = (part.with_name(part.name.removesuffix(PART)) for part in parts)
    return [path for path in paths if repair_one(path)]


def repair_one(path: Path) -> bool:
    """Complete the recording `path` from what its dead worker left of it. False if there is nothing."""
    part = _part(path)
    try:
        if part.stat().st_size < wav.HEADER_BYTES:
            part.unlink()
            return False
        with open(part, "r+b") as file:
            complete(file)
        os.replace(part, path)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("recording_not_repaired", path=str(part), error=str(error))
        return False
    return True


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _unit(audio: AudioFormat) -> bytes:
    return audio.silence


def _to_pcm(audio: AudioFormat) -> Callable[[bytes], bytes]:
    return decoder(audio) if audio.encoding != "pcm" else bytes


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
