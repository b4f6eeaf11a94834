"""What has come into the spool since, whatever disks and crashes do to its files."""

from __future__ import annotations

from pathlib import Path

from sipagent.call_log import tail
from sipagent.call_log.tail import Backlog, new_records, spool_id
from tests.call_log.spools import DAY, add, record

FILE = f"calls-{DAY}.jsonl"


def read(spool: Path, positions: dict[str, int]) -> list[str]:
    """The ids of what is new; `positions` move on."""
    ids = []
    for batch in new_records(spool, positions):
        positions[batch.file] = batch.position
        ids += [each["call_id"] for each in batch.records]
    return ids


def test_each_record_is_read_once_and_in_order(tmp_path: Path) -> None:
    positions: dict[str, int] = {}
    add(tmp_path, record("a"), record("b"))
    assert read(tmp_path, positions) == ["a", "b"]
    add(tmp_path, record("c"))
    add(tmp_path, record("d"), day="2026-03-02")
    assert read(tmp_path, positions) == ["c", "d"]
    assert read(tmp_path, positions) == []


def test_a_line_may_still_come_to_yesterdays_file(tmp_path: Path) -> None:
    positions: dict[str, int] = {}
    add(tmp_path, record("a"))
    add(tmp_path, record("c"), day="2026-03-02")
    assert read(tmp_path, positions) == ["a", "c"]
    add(tmp_path, record("b"))
    assert read(tmp_path, positions) == ["b"]


def test_a_line_without_its_end_waits_for_it(tmp_path: Path) -> None:
    positions: dict[str, int] = {}
    path = add(tmp_path, record("a"))
    with open(path, "ab") as file:
        file.write(b'{"call_id":"b"')
    assert read(tmp_path, positions) == ["a"]
    with open(path, "ab") as file:
        file.write(b"}\n")
    assert read(tmp_path, positions) == ["b"]


def test_a_torn_line_spoils_no_other_and_is_passed(tmp_path: Path) -> None:
    positions: dict[str, int] = {}
    path = add(tmp_path, record("a"))
    with open(path, "ab") as file:
        file.write(b'{"call_id":"torn\n')
    add(tmp_path, record("b"))
    assert read(tmp_path, positions) == ["a", "b"]
    assert positions[FILE] == path.stat().st_size


def test_a_file_that_lost_its_end_is_read_anew(tmp_path: Path) -> None:
    """As a power cut may leave it: what the database had is written again, and nothing after it is lost."""
    positions: dict[str, int] = {}
    path = add(tmp_path, record("a"), record("b"))
    read(tmp_path, positions)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert read(tmp_path, positions) == ["a"]


def test_a_file_that_is_another_is_read_anew_even_if_it_is_longer(tmp_path: Path) -> None:
    positions: dict[str, int] = {}
    path = add(tmp_path, record("a"))
    read(tmp_path, positions)
    path.unlink()
    add(tmp_path, record("another-call-with-a-long-name"), record("b"))
    assert read(tmp_path, positions) == ["another-call-with-a-long-name", "b"]


def test_many_records_come_in_batches_that_lose_none(tmp_path: Path) -> None:
    ids = [f"c-{number}" for number in range(2 * tail.BATCH_RECORDS + 1)]
    add(tmp_path, *map(record, ids))
    batches = list(new_records(tmp_path, {}))
    assert [len(batch.records) for batch in batches] == [tail.BATCH_RECORDS, tail.BATCH_RECORDS, 1]
    assert read(tmp_path, {FILE: batches[0].position}) == ids[tail.BATCH_RECORDS :]


def test_the_backlog_is_counted_as_it_grows_and_shrinks(tmp_path: Path) -> None:
    backlog, positions = Backlog(tmp_path), dict[str, int]()
    assert backlog.count(positions) == 0
    add(tmp_path, record("a"), record("b"))
    assert backlog.count(positions) == 2
    add(tmp_path, record("c"), day="2026-03-02")
    assert backlog.count(positions) == 3
    read(tmp_path, positions)
    assert backlog.count(positions) == 0
    add(tmp_path, record("d"))
    assert backlog.count(positions) == 1


def test_a_spool_keeps_its_name_and_no_two_have_the_same(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert spool_id(one) == spool_id(one) != spool_id(other)
