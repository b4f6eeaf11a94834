"""Files of recordings: whole, whatever a full disk or the death of the process left of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from rtp import wav
from sipagent.media import recording_file
from sipagent.media.recording_file import SPARE_BYTES, complete, give_back, repair
from tests.media.test_recorder import noise, sides

UNFINISHED = wav.header(channels=2, rate=8000, data_bytes=0)


def test_a_recording_that_fills_the_disk_leaves_room_for_call_records(tmp_path: Path) -> None:
    with open(tmp_path / "full.wav.part", "w+b") as file:
        file.write(UNFINISHED + b"\1" * 4 * SPARE_BYTES)
        give_back(file)
        complete(file)
    left, _ = sides(tmp_path / "full.wav.part")
    assert len(left) == 2 * SPARE_BYTES - SPARE_BYTES // 2


def part(directory: Path, name: str, content: bytes) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.wav.part"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("torn_bytes", [0, 1, 2, 3])
def test_a_part_is_completed_without_its_torn_end(tmp_path: Path, torn_bytes: int) -> None:
    audio = noise(0.5, seed=1)
    part(tmp_path / "day", "c-1", UNFINISHED + audio + b"\1" * torn_bytes)
    path = tmp_path / "day" / "c-1.wav"
    assert repair(tmp_path) == [str(path)]
    assert path.read_bytes() == wav.header(2, 8000, len(audio)) + audio
    assert repair(tmp_path) == []


def test_a_header_that_was_never_written_is_written(tmp_path: Path) -> None:
    part(tmp_path, "c-1", b"\0" * len(UNFINISHED) + b"\1" * 8)
    repair(tmp_path)
    assert sides(tmp_path / "c-1.wav") == (b"\1" * 4, b"\1" * 4)


@pytest.mark.parametrize("content", [b"", UNFINISHED[:-1]], ids=["empty", "shorter than its header"])
def test_a_part_without_audio_is_removed(tmp_path: Path, content: bytes) -> None:
    part(tmp_path, "c-1", content)
    assert repair(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_vanishes_meanwhile_was_completed_by_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part(tmp_path, "c-1", UNFINISHED + b"\1" * 8)
    part(tmp_path, "c-2", UNFINISHED + b"\1" * 8)
    completed = recording_file.complete

    def and_so_does_the_worker(file: BinaryIO) -> None:
        completed(file)
        if "c-1" in file.name:
            os.replace(file.name, tmp_path / "c-1.wav")

    monkeypatch.setattr(recording_file, "complete", and_so_does_the_worker)
    assert repair(tmp_path) == [str(tmp_path / "c-2.wav")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-1.wav", "c-2.wav"]


def test_a_part_that_cannot_be_repaired_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "c-1.wav.part").mkdir()
    (tmp_path / "c-1.wav.part" / "in the way").touch()
    part(tmp_path, "c-2", UNFINISHED + b"\1" * 8)
    assert repair(tmp_path) == [str(tmp_path / "c-2.wav")]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.part").write_text("x")
    (tmp_path / "c-1.wav").write_text("x")
    assert repair(tmp_path) == []
    assert repair(tmp_path / "nowhere") == []
    assert (tmp_path / "c-1.wav").read_text() == "x"
