"""The database of calls, on SQLite: its shape, and what is written into it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine, select

from sipagent.call_log.database import Database, DatabaseDown, NoCallLog, database_url, upgrade
from sipagent.call_log.schema import calls, metadata
from sipagent.call_log.tail import Batch
from sipagent.config import Config
from sipagent.errors import ConfigError
from tests.call_log.spools import record, refuse_none

MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


@pytest.fixture
def url(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "calls.db"))


@pytest.fixture
def database(url: URL) -> Database:
    database = Database(url)
    database.migrate()
    return database


def batch(*records: dict[str, Any], position: int = 10) -> Batch:
    return Batch("calls-2026-03-01.jsonl", position, list(records))


def stored(database: Database) -> dict[str, dict[str, Any]]:
    return {each["call_id"]: each for each in database.records(select(calls.c.record))}


def test_migrations_from_nothing_make_what_the_code_works_with(url: URL, database: Database) -> None:
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "call_log_version"})
        assert compare_metadata(context, metadata) == []


def test_migrations_from_the_revision_before_keep_what_is_there(url: URL) -> None:
    with create_engine(url).begin() as connection:
        upgrade(connection, "0001")
        connection.exec_driver_sql(
            "INSERT INTO calls (call_id, direction, status, from_number, to_number, received_at, duration_s,"
            " sip_status, sip_call_id, record) VALUES ('old', 'inbound', 'completed', '1', '2',"
            " '2026-02-01 00:00:00', 1, 200, 's', '{\"call_id\":\"old\"}')"
        )
    database = Database(url)
    database.migrate()
    database.store("s", batch(record("new")), refuse_none)
    assert set(stored(database)) == {"old", "new"}


def test_processes_that_start_together_migrate_once(url: URL) -> None:
    failures: list[Exception] = []

    def migrate() -> None:
        try:
            Database(url).migrate()
        except Exception as error:
            failures.append(error)

    together = [threading.Thread(target=migrate) for _ in range(6)]
    for each in together:
        each.start()
    for each in together:
        each.join()
    assert failures == []
    Database(url).require_calls()


def test_a_record_that_comes_again_is_there_once_and_as_it_came_last(database: Database) -> None:
    database.store("s", batch(record("a"), record("b", end_reason="refused")), refuse_none)
    database.store("s", batch(record("b"), record("c"), position=20), refuse_none)
    assert [each["end_reason"] for each in stored(database).values()] == ["caller_hung_up"] * 3
    assert database.positions("s") == {"calls-2026-03-01.jsonl": 20}
    assert database.positions("another") == {}


def test_what_was_spent_is_summed_by_agent_and_trunk(database: Database) -> None:
    def cost(total: float, currency: str = "USD") -> dict[str, Any]:
        return {"cost": {"total": total, "currency": currency}}

    other_month = {"ended_at": "2026-02-28T23:59:59.000Z"}
    costing = batch(
        record("a", **cost(0.1)),
        record("b", **cost(0.2)),
        record("c", agent="other", **cost(1)),
        record("d", **cost(5, "EUR")),
        record("e", **cost(7), **other_month),
        record("f"),
    )
    database.store("s", costing, refuse_none)
    assert sorted(database.spent(*MARCH, "USD")) == [
        ("echo", "pbx", Decimal("0.3")),
        ("other", "pbx", Decimal(1)),
    ]


def test_old_calls_are_counted_then_deleted(database: Database) -> None:
    database.store("s", batch(record("a", received_at="2026-02-01T00:00:00.000Z"), record("b")), refuse_none)
    assert database.count_before(MARCH[0]) == 1
    assert database.delete_before(MARCH[0]) == 1
    assert set(stored(database)) == {"b"}


def test_a_database_without_calls_says_so(url: URL) -> None:
    with pytest.raises(NoCallLog):
        Database(url).require_calls()


def test_a_database_that_is_not_there_is_down(tmp_path: Path) -> None:
    missing = Database(URL.create("sqlite", database=str(tmp_path / "no/such/directory/calls.db")))
    with pytest.raises(DatabaseDown, match="unable to open database file"):
        missing.migrate()


def test_a_server_that_is_not_there_is_down_and_its_password_is_not_told() -> None:
    nobody = Database(URL.create("postgresql", "me", "hidden", "127.0.0.1", 1, "calls"))
    with pytest.raises(DatabaseDown) as raised:
        nobody.migrate()
    assert "refused" in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_a_secret_that_is_no_url_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "hidden")
    config = Config.model_validate({"call_log": {"url": {"env": "DATABASE_URL"}}})
    with pytest.raises(ConfigError) as raised:
        database_url(config)
    assert raised.value.problems == ["call_log.url: is not the URL of a database"]


def test_without_a_url_it_is_sqlite_in_the_storage_directory() -> None:
    config = Config.model_validate({"storage": {"directory": "/var/lib/x"}})
    assert str(database_url(config)) == "sqlite:////var/lib/x/calls.db"
