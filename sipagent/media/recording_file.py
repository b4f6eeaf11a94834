"""The file of one recording: stereo WAV, caller left, agent right.

It grows as `*.wav.part`; its header is set right and the name completed at the end, or by `repair`
on the next start if the process died.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rtp import wav
from sipagent import logs
from sipagent.formats import AudioFormat
from sipagent.media.stereo import weaver

log = logs.get_logger(__name__)

RATE = 8000
#: One sample of both sides.
FRAME_BYTES = 4
PART = ".part"
#: What a recording that has filled the disk gives back of its end, so that call records find room.
SPARE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class RecordingOutcome:
    """`truncated` tells that audio is missing because the disk failed or was too slow."""

    path: str
    truncated: bool


class RecordingFile:
    """The file of one recording; used from the writer thread only, after construction."""

    def __init__(
        self, path: str, left: AudioFormat, right: AudioFormat, goes_on_at: int | None = None
    ) -> None:
        """With `goes_on_at`, in samples, it goes on with what a dead worker left: what of that is missing
        becomes silence."""
        self.path = path
        self.missing: int | None = None
        """How many samples a dead worker took along, once that is known."""
        self._goes_on_at = goes_on_at
        self.failure: str | None = None
        """Why audio is missing from here on."""
        self._weave = weaver(left, right)
        self._file: BinaryIO | None = None

    def write(self, left: bytes, right: bytes) -> None:
        """Append equal lengths of both sides. A disk error marks the recording truncated, for good."""
        if self.failure is not None:
            return
        try:
            if self._file is None:
                self._file = self._opened()
            _write_all(self._file, self._weave(left, right))
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
        return RecordingOutcome(self.path, truncated=self.failure is not None)

    def _opened(self) -> BinaryIO:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        part = _part(self.path)
        is_left = self._goes_on_at is not None and os.path.exists(part)
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


def repair(directory: Path) -> list[str]:
    """Complete every `*.part` under `directory` that a dead process left. Returns the recordings' paths.

    A worker that outlived its server for a moment may complete its recordings at the same time: whoever
    renames the file first is right. A file that can't be repaired now is left for the next start.
    """
    parts = sorted(directory.rglob(f"*.wav{PART}"))
    paths = (str(part).removesuffix(PART) for part in parts)
    return [path for path in paths if repair_one(path)]


def repair_one(path: str) -> bool:
    """Complete the recording `path` from what its dead worker left of it. False if there is nothing."""
    part = _part(path)
    try:
        if os.stat(part).st_size < wav.HEADER_BYTES:
            os.unlink(part)
            return False
        with open(part, "r+b") as file:
            complete(file)
        os.replace(part, path)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("recording_not_repaired", path=part, error=str(error))
        return False
    return True


def _part(path: str) -> str:
    return path + PART


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
