"""Feeding the database from the spool: when it is there, when it isn't, and when it is back."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL, select

from sipagent.call_log import keeper as module
from sipagent.call_log.database import Database
from sipagent.call_log.keeper import CallLogKeeper, Feed
from sipagent.call_log.schema import calls
from sipagent.config import Config
from tests.call_log.spools import add, record

PATIENCE_S = 10
TODAY = datetime.now(UTC).strftime("%Y-%m-%d")


class Storage:
    """A server's storage with its database, and what keepers of it observe."""

    def __init__(self, directory: Path) -> None:
        settings = {"storage": {"directory": str(directory)}, "retention": {"records_days": 1000}}
        self.config = Config.model_validate(settings)
        self.spool = self.config.storage.spool
        self.spool.mkdir(parents=True)
        self.path = self.config.storage.calls_database
        self.feeds: queue.Queue[Feed] = queue.Queue()
        self.reached: list[Database] = []
        self._keepers: list[CallLogKeeper] = []

    def start(self) -> CallLogKeeper:
        keeper = CallLogKeeper(self.config, self.database, self.feeds.put, self.reached.append)
        self._keepers.append(keeper)
        keeper.start()
        return keeper

    @property
    def database(self) -> Database:
        return Database(URL.create("sqlite", database=str(self.path)))

    def await_feed(self, is_wanted: Callable[[Feed], bool]) -> Feed:
        while not is_wanted(feed := self.feeds.get(timeout=PATIENCE_S)):
            pass
        return feed

    def stored(self) -> set[str]:
        return set(self.database.records(select(calls.c.call_id)))

    def close(self) -> None:
        for keeper in self._keepers:
            keeper.stop()


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "RETRY_MIN_S", 0.01)
    monkeypatch.setattr(module, "RETRY_MAX_S", 0.05)
    storage = Storage(tmp_path)
    yield storage
    storage.close()


def is_fed(feed: Feed) -> bool:
    return feed == Feed(is_up=True, lag_records=0)


def test_what_is_there_and_what_comes_is_fed(storage: Storage) -> None:
    add(storage.spool, record("a"), day=TODAY)
    storage.start()
    storage.await_feed(is_fed)
    assert storage.stored() == {"a"}
    add(storage.spool, record("b"), day=TODAY)
    keeper = storage.start()
    keeper.stop()
    assert storage.stored() == {"a", "b"}


def test_a_database_that_is_down_at_the_start_gets_all_when_it_comes(storage: Storage) -> None:
    storage.path.mkdir()  # what opens it as a database will be refused
    add(storage.spool, record("a"), day=TODAY)
    storage.start()
    assert storage.await_feed(lambda feed: not feed.is_up).lag_records == 1
    add(storage.spool, record("b"), day=TODAY)
    storage.await_feed(lambda feed: feed == Feed(is_up=False, lag_records=2))
    assert storage.reached == []
    storage.path.rmdir()
    storage.await_feed(is_fed)
    assert storage.stored() == {"a", "b"}
    assert len(storage.reached) == 1


def test_a_database_that_goes_and_comes_back_as_an_old_copy_loses_nothing(storage: Storage) -> None:
    """What it had is written into it again: its own word counts for how far it got, not ours."""
    add(storage.spool, record("a"), day=TODAY)
    storage.start()
    storage.await_feed(is_fed)
    copy = storage.path.read_bytes()
    add(storage.spool, record("b"), day=TODAY)
    storage.await_feed(lambda feed: is_fed(feed) and storage.stored() == {"a", "b"})

    storage.path.unlink()
    storage.path.mkdir()
    add(storage.spool, record("c"), day=TODAY)
    assert storage.await_feed(lambda feed: not feed.is_up).lag_records == 1
    storage.path.rmdir()
    storage.path.write_bytes(copy)
    storage.await_feed(lambda feed: is_fed(feed) and len(storage.stored()) == 3)
    assert storage.stored() == {"a", "b", "c"}
    assert len(storage.reached) == 1


def test_two_servers_may_share_a_database(storage: Storage, tmp_path: Path) -> None:
    other = Storage(tmp_path / "other")
    other.path = storage.path
    add(storage.spool, record("a"), day=TODAY)
    add(other.spool, record("b"), day=TODAY)
    storage.start()
    other.start()
    storage.await_feed(is_fed)
    other.await_feed(is_fed)
    other.close()
    assert storage.stored() == {"a", "b"}


def test_old_spool_files_go_once_they_are_fed(storage: Storage) -> None:
    old, new = add(storage.spool, record("a"), day="2026-03-01"), add(storage.spool, record("b"), day=TODAY)
    storage.start()
    storage.await_feed(is_fed)
    assert (old.exists(), new.exists()) == (False, True)
    assert storage.stored() == {"a", "b"}


def test_a_keeper_that_never_started_stops(storage: Storage) -> None:
    CallLogKeeper(storage.config, storage.database, storage.feeds.put).stop()
