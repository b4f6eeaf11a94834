"""Retention: what is found too old, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sipagent.call_log.database import Database, database_url
from sipagent.call_log.purge import purge_files, purge_records
from sipagent.call_log.retention import expired_files, expired_spool, records_cutoff
from sipagent.call_log.schema import calls
from sipagent.call_log.tail import new_records
from sipagent.config import Config
from tests.call_log.spools import add, record, refuse_none

TODAY = date(2026, 3, 10)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path, {"recordings_days": 3, "transcripts_days": 1, "ladders_days": None})


def configured(directory: Path, retention: dict[str, Any], **call_log: Any) -> Config:
    settings = {"storage": {"directory": str(directory)}, "retention": retention, "call_log": call_log}
    return Config.model_validate(settings)


def leave(config: Config, kind: str, *days: str) -> None:
    for day in days:
        path = config.storage.directory / kind / day / "c-1.x"
        path.parent.mkdir(parents=True)
        path.write_text("x")


def left(config: Config, kind: str) -> list[str]:
    return sorted(path.name for path in (config.storage.directory / kind).iterdir())


def test_a_day_is_kept_for_as_many_days_as_policy_says(config: Config) -> None:
    leave(config, "recordings", "2026-03-06", "2026-03-07", "2026-03-10")
    leave(config, "transcripts", "2026-03-08", "2026-03-09")
    leave(config, "ladders", "2020-01-01")
    purged = purge_files(config, TODAY)
    assert purged.files == {"recordings": 1, "transcripts": 1}
    assert left(config, "recordings") == ["2026-03-07", "2026-03-10"]
    assert left(config, "transcripts") == ["2026-03-09"]
    assert left(config, "ladders") == ["2020-01-01"]


def test_a_dry_run_finds_the_same_and_deletes_nothing(config: Config) -> None:
    leave(config, "recordings", "2026-03-01")
    assert purge_files(config, TODAY, dry_run=True).files == {"recordings": 1}
    assert left(config, "recordings") == ["2026-03-01"]


def test_what_is_not_named_after_a_day_is_not_ours_to_delete(config: Config) -> None:
    leave(config, "recordings", "music", "2026-13-45")
    assert list(expired_files(config, TODAY)) == []


def test_a_first_start_has_nothing_to_purge(config: Config) -> None:
    assert purge_files(config, TODAY).files == {}


def test_a_spool_file_stays_until_the_database_has_all_of_it(tmp_path: Path) -> None:
    config = configured(tmp_path, {}, spool_days=2)
    path = add(config.storage.spool, record("a"), record("b"), day="2026-03-07")
    add(config.storage.spool, record("c"), day="2026-03-08")
    size = path.stat().st_size
    assert list(expired_spool(config, {}, TODAY)) == []
    assert list(expired_spool(config, {path.name: size - 1}, TODAY)) == []
    assert [each.path for each in expired_spool(config, {path.name: size}, TODAY)] == [path]


def test_records_that_are_too_old_go_from_database_and_spool(tmp_path: Path) -> None:
    config = configured(tmp_path, {"records_days": 1}, spool_days=7)
    old = record("old", received_at="2026-03-08T23:59:59.999Z")
    path = add(config.storage.spool, old, day="2026-03-08")
    add(config.storage.spool, record("new", received_at="2026-03-09T00:00:00.000Z"), day="2026-03-09")
    database = Database(database_url(config))
    database.migrate()
    for batch in new_records(config.storage.spool, {}):
        database.store("s", batch, refuse_none)

    assert purge_records(config, database, "s", TODAY, dry_run=True).records == 1
    assert path.exists()
    purged = purge_records(config, database, "s", TODAY)
    assert (purged.records, purged.files) == (1, {"spool": 1})
    assert not path.exists()
    assert list(database.records(select(calls.c.call_id))) == ["new"]
    assert set(database.positions("s")) == {"calls-2026-03-09.jsonl"}


def test_records_are_kept_for_ever_unless_policy_says_otherwise(tmp_path: Path) -> None:
    assert records_cutoff(configured(tmp_path, {}), TODAY) is None
    assert records_cutoff(configured(tmp_path, {"records_days": 9}), TODAY) == datetime(
        2026, 3, 1, tzinfo=UTC
    )
