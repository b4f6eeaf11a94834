"""Recordings: bit-exact, on one clock, and whole whatever happens to disk and process."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rtp import g711, wav
from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.media import recording_writer
from sipagent.media.pipeline import PCM_8K
from sipagent.media.recorder import Recorder, RecordingOutcome, RecordingWriter
from sipagent.media.recording_file import repair

START = 100.0
SOON_S = 2


@pytest.fixture
def writer() -> Iterator[RecordingWriter]:
    writer = RecordingWriter()
    yield writer
    writer.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "2026-01-01" / "c-1.wav"


class Call:
    """A recorder and the clock that drives it, a frame of each side every 20 ms."""

    def __init__(
        self,
        path: Path,
        writer: RecordingWriter,
        caller: AudioFormat = ULAW,
        agent: AudioFormat = ULAW,
        goes_on_from: float | None = None,
    ) -> None:
        self.now = START
        self.failures: list[str] = []
        self.recorder = Recorder(
            str(path),
            writer,
            caller,
            agent,
            START,
            on_truncated=self.failures.append,
            goes_on_from=goes_on_from,
        )
        self._caller = self.recorder.lane("caller", caller)
        self._agent = self.recorder.lane("agent", agent)

    def change_law(self, law: AudioFormat) -> None:
        """A re-INVITE changes what the phone sends; the agent's side has no part in it."""
        self._caller = self.recorder.lane("caller", law)

    def hear(self, frame: bytes) -> None:
        """Of the caller, now."""
        self._caller(frame, self.now)

    def flow(self, caller: bytes, agent: bytes, frame_bytes: tuple[int, int] = (160, 160)) -> None:
        for left, right in zip(frames(caller, frame_bytes[0]), frames(agent, frame_bytes[1]), strict=True):
            self.now += 0.02
            self._caller(left, self.now)
            self._agent(right, self.now)
            self.recorder.advance(self.now)

    def hang_up(self) -> RecordingOutcome:
        return self.recorder.finish(self.now).result(SOON_S)


def frames(audio: bytes, size: int) -> list[bytes]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def noise(seconds: float, seed: int) -> bytes:
    """Every byte of a law, in no order: audio that no mistake leaves as it was."""
    return np.random.default_rng(seed).integers(0, 256, round(seconds * 8000), np.uint8).tobytes()


def sides(path: Path) -> tuple[bytes, bytes]:
    """Left and right of a recording whose header is right."""
    data = path.read_bytes()
    said = wav.parse_header(data)
    assert (said.channels, said.rate, said.data_bytes) == (2, 8000, len(data) - wav.HEADER_BYTES)
    stereo = np.frombuffer(data[wav.HEADER_BYTES :], "<i2").reshape(-1, 2)
    return stereo[:, 0].tobytes(), stereo[:, 1].tobytes()


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- the file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "decode"), [(ULAW, g711.ulaw_to_pcm), (ALAW, g711.alaw_to_pcm)], ids=["ulaw", "alaw"]
)
def test_both_sides_are_in_the_file_bit_for_bit(path: Path, writer: RecordingWriter, law, decode) -> None:  # type: ignore[no-untyped-def]
    caller, agent = noise(2.5, seed=1), noise(2.5, seed=2)
    call = Call(path, writer, law, law)
    call.flow(caller, agent)
    assert call.hang_up() == RecordingOutcome(str(path), truncated=False)
    assert sides(path) == (decode(caller), decode(agent))


def test_each_side_may_have_a_format_of_its_own(path: Path, writer: RecordingWriter) -> None:
    caller, agent = noise(1.0, seed=1), noise(2.0, seed=2)
    call = Call(path, writer, ALAW, PCM_8K)
    call.flow(caller, agent, (160, 320))
    call.hang_up()
    assert sides(path) == (g711.alaw_to_pcm(caller), agent)


def test_a_change_of_law_is_not_heard_in_the_recording(path: Path, writer: RecordingWriter) -> None:
    before, after, agent = noise(0.5, seed=1), noise(0.5, seed=2), noise(1.0, seed=3)
    call = Call(path, writer, ULAW, ULAW)
    call.flow(before, agent[:4000])
    call.change_law(ALAW)
    call.flow(after, agent[4000:])
    call.hang_up()
    caller = g711.ulaw_to_pcm(before) + g711.ulaw_to_pcm(g711.alaw_to_ulaw(after))
    assert sides(path) == (caller, g711.ulaw_to_pcm(agent))


def test_until_it_is_complete_a_recording_is_a_part(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
    written = threading.Event()
    writer.submit(written.set)
    assert written.wait(SOON_S)
    assert [each.name for each in path.parent.iterdir()] == ["c-1.wav.part"]
    call.hang_up()
    assert [each.name for each in path.parent.iterdir()] == ["c-1.wav"]


def test_a_call_without_audio_has_the_length_of_its_silence(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    call.now += 1.0
    assert not call.hang_up().truncated
    assert sides(path) == (b"\0" * 16000, b"\0" * 16000)


def test_a_call_of_no_time_has_no_file(path: Path, writer: RecordingWriter) -> None:
    assert not Call(path, writer).hang_up().truncated
    assert not path.parent.exists()


# --- a disk that is full, or slow -------------------------------------------------------------------


def test_what_waited_for_another_worker_is_recorded_whole(path: Path, writer: RecordingWriter) -> None:
    """The sockets of a lost worker hold what came meanwhile: it is heard at once, with the agent's next frame
    in the midst of it."""
    lost_s, waited_s = 0.6, 0.58
    call = Call(path, writer, goes_on_from=START - 2)
    waiting, later = frames(noise(waited_s, 1), 160), noise(1.6, 2)
    call.now += lost_s
    for frame in waiting[:10]:
        call.hear(frame)
    call.flow(waiting[10], ULAW.silence * 160)
    for frame in waiting[11:]:
        call.hear(frame)
    call.flow(later, ULAW.silence * len(later))
    assert not call.hang_up().truncated
    assert g711.ulaw_to_pcm(b"".join(waiting) + later) in sides(path)[0]


def test_a_disk_that_fills_up_truncates_the_recording_and_says_so(
    path: Path, writer: RecordingWriter
) -> None:
    caller, agent = noise(3.0, seed=1), noise(3.0, seed=2)
    call = Call(path, writer)
    with disk_with_room_for(wav.HEADER_BYTES + 50_001):
        call.flow(caller, agent)
        assert call.hang_up() == RecordingOutcome(str(path), truncated=True)
    left, right = sides(path)
    assert len(left) == 25_000
    assert (left, right) == (g711.ulaw_to_pcm(caller[:12_500]), g711.ulaw_to_pcm(agent[:12_500]))


def test_a_failure_is_told_as_it_happens(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    with disk_with_room_for(wav.HEADER_BYTES):
        call.flow(noise(0.6, seed=1), noise(0.6, seed=2))
        written = threading.Event()
        writer.submit(written.set)
        assert written.wait(SOON_S)
    assert call.failures == []
    call.flow(noise(0.02, seed=3), noise(0.02, seed=4))
    assert call.failures == ["File too large"]
    call.hang_up()
    assert len(call.failures) == 1


@pytest.mark.parametrize("room", [0, 20])
def test_a_disk_full_from_the_start_costs_this_recording_and_no_other(
    path: Path, writer: RecordingWriter, room: int
) -> None:
    call = Call(path, writer)
    with disk_with_room_for(room):
        call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
        assert call.hang_up().truncated
    other = Call(path.with_name("c-2.wav"), writer)
    other.flow(noise(0.5, seed=3), noise(0.5, seed=4))
    assert not other.hang_up().truncated
    assert repair(path.parent) == []
    assert [each.name for each in path.parent.iterdir()] == ["c-2.wav"]


def test_a_file_in_the_place_of_the_directory_truncates_too(path: Path, writer: RecordingWriter) -> None:
    path.parent.write_text("in the way")
    call = Call(path, writer)
    call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
    assert call.hang_up().truncated


def test_a_failed_recording_leaves_no_file_open(path: Path, writer: RecordingWriter) -> None:
    before = len(os.listdir("/proc/self/fd"))
    call = Call(path, writer)
    with disk_with_room_for(0):
        call.flow(noise(1.5, seed=1), noise(1.5, seed=2))
        call.hang_up()
    assert len(os.listdir("/proc/self/fd")) == before


# --- what must not be in it -------------------------------------------------------------------------


def test_a_press_is_silence_on_the_callers_side_alone(path: Path, writer: RecordingWriter) -> None:
    caller, agent = noise(3.0, seed=1), noise(3.0, seed=2)
    call = Call(path, writer)
    call.flow(caller[:12_000], agent[:12_000])
    call.recorder.mute_caller(before_s=0.3, after_s=0.2)
    call.flow(caller[12_000:], agent[12_000:])
    call.hang_up()
    press = slice(12_000 - 2400, 12_000 + 1600)
    muted = caller[: press.start] + ULAW.silence * 4000 + caller[press.stop :]
    assert sides(path) == (g711.ulaw_to_pcm(muted), g711.ulaw_to_pcm(agent))


def test_our_own_digits_are_silence_on_the_agents_side(path: Path, writer: RecordingWriter) -> None:
    caller, agent = noise(1.0, seed=1), noise(1.0, seed=2)
    call = Call(path, writer)
    call.flow(caller[:4000], agent[:4000])
    call.recorder.mute_agent(0.02)
    call.flow(caller[4000:], agent[4000:])
    call.hang_up()
    muted = agent[:4000] + ULAW.silence * 160 + agent[4160:]
    assert sides(path) == (g711.ulaw_to_pcm(caller), g711.ulaw_to_pcm(muted))


class SlowDisk:
    """A writer with room for two chunks, whose disk does nothing until the test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recording_writer, "QUEUE_CHUNKS", 2)
        self.writer = RecordingWriter()
        self._go_on = threading.Event()
        stalled = threading.Event()
        self.writer.submit(lambda: self._stall(stalled))
        assert stalled.wait(SOON_S)

    def catch_up(self) -> None:
        """Write all that is queued."""
        self._go_on.set()
        written = threading.Event()
        self.writer.submit_end(written.set)
        assert written.wait(SOON_S)

    def _stall(self, stalled: threading.Event) -> None:
        stalled.set()
        assert self._go_on.wait(SOON_S)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    disk = SlowDisk(monkeypatch)
    yield disk
    disk.catch_up()
    disk.writer.close()


def test_a_disk_too_slow_loses_chunks_and_says_so(path: Path, slow_disk: SlowDisk) -> None:
    caller, agent = noise(5.0, seed=1), noise(5.0, seed=2)
    call = Call(path, slow_disk.writer)
    call.flow(caller, agent)
    slow_disk.catch_up()
    assert call.hang_up().truncated
    left, right = sides(path)
    assert 0 < len(left) < 2 * len(caller)
    assert g711.ulaw_to_pcm(caller).startswith(left)
    assert g711.ulaw_to_pcm(agent).startswith(right)
    assert call.failures == ["the disk is too slow"]


def test_a_recording_that_ends_meanwhile_is_completed_all_the_same(path: Path, slow_disk: SlowDisk) -> None:
    call = Call(path, slow_disk.writer)
    call.flow(noise(5.0, seed=1), noise(5.0, seed=2))
    finished = call.recorder.finish(call.now)
    assert not finished.done()
    slow_disk.catch_up()
    assert finished.result(SOON_S) == RecordingOutcome(str(path), truncated=True)
    assert 0 < len(sides(path)[0]) < 2 * 5 * 8000


def test_whoever_stops_waiting_does_not_stop_the_writing(path: Path, writer: RecordingWriter) -> None:
    call = Call(path, writer)
    call.flow(noise(0.5, seed=1), noise(0.5, seed=2))
    finished = call.recorder.finish(call.now)
    assert not finished.cancel()
    assert not finished.result(SOON_S).truncated
