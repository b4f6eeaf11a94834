"""The spool on a real disk, good and bad: no line is lost while the process lives, none is spoiled."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from sipagent.call.record import spool as module
from sipagent.call.record.spool import PAGE_BYTES, Spool, SpoolClosed, append, first_line, read_lines

SOON_S = 2


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.close()


class SlowDisk:
    """Counts fsyncs; the first one waits until the test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fsyncs = 0
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self._fsync = os.fsync
        monkeypatch.setattr(module.os, "fsync", self._slow)

    def _slow(self, fd: int) -> None:
        self.fsyncs += 1
        self.reached.set()
        assert self.go_on.wait(SOON_S)
        self._fsync(fd)


def lines(path: Path) -> list[dict[str, Any]]:
    """Every readable line; the numbers of the others are in `torn`."""
    return list(read_lines(path, lambda number: None))


def numbers(path: Path) -> list[int]:
    return [line["n"] for line in lines(path)]


def obstruct(path: Path) -> None:
    """A full disk in the place of a file: every write to it fails with ENOSPC."""
    path.symlink_to("/dev/full")


def test_a_line_is_on_disk_when_its_future_is_done(spool: Spool) -> None:
    spool.append("calls.jsonl", {"n": 1}).result(SOON_S)
    assert (spool.directory / "calls.jsonl").read_bytes() == b'{"n":1}\n'


def test_lines_of_one_file_keep_their_order(spool: Spool) -> None:
    written = [spool.append("day/calls.jsonl", {"n": n}) for n in range(100)]
    for each in written:
        each.result(SOON_S)
    assert numbers(spool.directory / "day" / "calls.jsonl") == list(range(100))


def test_many_lines_share_one_fsync(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SlowDisk(monkeypatch)
    written = [spool.append("calls.jsonl", {"n": 0})]
    assert disk.reached.wait(SOON_S)
    written += [spool.append("calls.jsonl", {"n": n}) for n in range(1, 200)]
    disk.go_on.set()
    for each in written:
        each.result(SOON_S)
    assert disk.fsyncs == 2
    assert numbers(spool.directory / "calls.jsonl") == list(range(200))


def test_a_marker_is_written_whole_and_removed(spool: Spool) -> None:
    marker = spool.directory / "open" / "c-1.json"
    spool.put("open/c-1.json", {"n": 1}).result(SOON_S)
    assert marker.read_bytes() == b'{"n":1}\n'
    assert [path.name for path in marker.parent.iterdir()] == ["c-1.json"]
    spool.remove("open/c-1.json").result(SOON_S)
    assert not marker.exists()
    spool.remove("open/c-1.json").result(SOON_S)


@pytest.mark.parametrize("pages", [0, 2])
@pytest.mark.parametrize("pages_before", [0, 2])
def test_a_marker_that_is_put_again_begins_with_what_is_put_last(
    spool: Spool, pages_before: int, pages: int
) -> None:
    marker = spool.directory / "open" / "c-1.json"
    for value in ("before" + "!" * pages_before * PAGE_BYTES, "now" + "." * pages * PAGE_BYTES):
        spool.put("open/c-1.json", value).result(SOON_S)
        assert first_line(marker).decode() == f'"{value}"'
    assert [path.name for path in marker.parent.iterdir()] == ["c-1.json"]


def test_a_marker_is_put_again_where_it_was(spool: Spool) -> None:
    """A file system takes its time for a new file, and for one that is gone: one of each a call is enough."""
    marker = spool.directory / "open" / "c-1.json"
    spool.put("open/c-1.json", {"n": 1}).result(SOON_S)
    first = marker.stat().st_ino
    spool.put("open/c-1.json", {"n": 2}).result(SOON_S)
    assert marker.stat().st_ino == first


# --- a disk that refuses ----------------------------------------------------------------------------


def retried(written: Future[None]) -> None:
    with pytest.raises(TimeoutError):
        written.result(0.03)


def test_lines_wait_for_a_full_disk_and_come_out_once_and_in_order(spool: Spool) -> None:
    path = spool.directory / "calls.jsonl"
    obstruct(path)
    written = [spool.append("calls.jsonl", {"n": 0})]
    retried(written[0])
    written.append(spool.append("calls.jsonl", {"n": 1}))
    path.unlink()
    for each in written:
        each.result(SOON_S)
    assert numbers(path) == [0, 1]


def test_a_file_in_the_place_of_a_directory_holds_up_only_what_goes_there(spool: Spool) -> None:
    (spool.directory / "day").write_text("in the way")
    waiting = spool.append("day/calls.jsonl", {"n": 1})
    spool.append("other.jsonl", {"n": 2}).result(SOON_S)
    assert not waiting.done()
    (spool.directory / "day").unlink()
    waiting.result(SOON_S)


def test_whoever_stops_waiting_does_not_stop_the_writing(spool: Spool) -> None:
    obstruct(spool.directory / "calls.jsonl")
    written = spool.append("calls.jsonl", {"n": 1})
    assert not written.cancel()
    (spool.directory / "calls.jsonl").unlink()
    spool.append("calls.jsonl", {"n": 2}).result(SOON_S)
    assert numbers(spool.directory / "calls.jsonl") == [1, 2]


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for n in range(50):
        spool.append("calls.jsonl", {"n": n})
    spool.close()
    assert numbers(tmp_path / "calls.jsonl") == list(range(50))


def test_what_comes_after_the_end_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.close()
    with pytest.raises(SpoolClosed):
        spool.append("calls.jsonl", {"n": 1}).result(SOON_S)


def test_closing_does_not_wait_for_a_disk_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(module.log, "error", lambda event, **fields: told.append(event))
    monkeypatch.setattr(module, "RETRY_S", 3600.0)
    spool = Spool(tmp_path)
    obstruct(tmp_path / "calls.jsonl")
    written = spool.append("calls.jsonl", {"n": 1})
    spool.close()
    assert not written.done()
    assert told == ["spool_write_failed", "spool_jobs_lost"]


def test_the_first_line_of_a_failure_is_told_and_not_each_retry(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(module.log, "error", lambda event, **fields: told.append(event))
    obstruct(spool.directory / "calls.jsonl")
    retried(spool.append("calls.jsonl", {"n": 1}))
    (spool.directory / "calls.jsonl").unlink()
    spool.append("calls.jsonl", {"n": 2}).result(SOON_S)
    assert told == ["spool_write_failed"]


def test_a_directory_that_cannot_be_made_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file" / "spool")


# --- what a crash leaves ----------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b'{"n":', b"", b"\0\0\0\0", b"[1]", b"\xff"])
def test_a_torn_last_line_is_told_and_skipped(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2}\n' + torn)
    bad: list[int] = []
    assert [line["n"] for line in read_lines(path, bad.append)] == [1, 2]
    assert bad == ([3] if torn else [])


def test_a_torn_last_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":')
    append(str(path), b'{"n":3}\n')
    append(str(path), b'{"n":4}\n')
    assert numbers(path) == [1, 3, 4]


def test_a_line_that_does_not_fit_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b'{"n":1}\n')
    whole = os.write
    monkeypatch.setattr(module.os, "write", lambda fd, data: whole(fd, data[:5]))
    with pytest.raises(OSError, match="only 5 of 8"):
        append(str(path), b'{"n":2}\n')
    assert path.read_bytes() == b'{"n":1}\n'
