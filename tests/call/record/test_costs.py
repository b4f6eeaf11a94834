"""What calls cost in the life of a server, and what it knows of it after a new start."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sipagent.call.record.costs import Costs
from sipagent.config import Config
from tests.call_log.spools import add, record

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
TODAY = NOON.date()


def config(directory: Path, **budget: Any) -> Config:
    trunk = {"name": "pbx", "allowed_addresses": ["192.0.2.1"]}
    return Config.model_validate(
        {
            "storage": {"directory": str(directory)},
            "prices": {"currency": "EUR"},
            "trunks": {"pbx": trunk},
            "agents": {"echo": {"name": "echo", "backend": {"kind": "echo"}, "budget": budget}},
        }
    )


def costing(call_id: str, total: float, currency: str = "EUR", **fields: Any) -> dict[str, Any]:
    return record(call_id, cost={"total": total, "currency": currency}, **fields)


def test_a_budget_is_spent_call_by_call(tmp_path: Path) -> None:
    costs, settings = Costs(), config(tmp_path, per_day=1)
    costs.spend("echo", "pbx", Decimal("0.6"), NOON)
    assert costs.exceeded(settings, NOON) == {}
    costs.spend("echo", "pbx", Decimal("0.4"), NOON)
    assert set(costs.exceeded(settings, NOON)) == {("agent", "echo")}


def test_a_budget_that_only_warns_refuses_nothing(tmp_path: Path) -> None:
    costs, settings = Costs(), config(tmp_path, per_day=1, on_exceeded="warn")
    costs.spend("echo", "pbx", Decimal(5), NOON)
    assert costs.exceeded(settings, NOON) == {}


def test_a_new_start_knows_what_was_spent(tmp_path: Path) -> None:
    settings = config(tmp_path, per_day=2, per_month=10)
    add(settings.storage.spool, costing("a", 1.5), record("b"), day="2026-03-20")
    add(settings.storage.spool, costing("c", 1), costing("d", 99, "USD"), day="2026-03-19")
    add(settings.storage.spool, costing("e", 500), day="2026-02-28")
    costs = Costs()
    assert costs.recall(settings, TODAY) == date(2026, 3, 1)
    costs.spend("echo", "pbx", Decimal("0.4"), NOON)
    assert costs.exceeded(settings, NOON) == {}
    costs.spend("echo", "pbx", Decimal("0.1"), NOON)
    assert [each.period for each in costs.exceeded(settings, NOON).values()] == ["day"]


def test_what_the_spool_does_not_hold_any_more_comes_in_sums(tmp_path: Path) -> None:
    settings = config(tmp_path, per_month=10)
    add(settings.storage.spool, costing("a", 1), day="2026-03-14")
    costs = Costs()
    assert costs.recall(settings, TODAY) == date(2026, 3, 14)
    costs.recall_sums(date(2026, 3, 1), [("echo", "pbx", Decimal(9))])
    (exceeded,) = costs.exceeded(settings, NOON).values()
    assert (exceeded.period, exceeded.spent) == ("month", 10)


def test_a_first_start_has_spent_nothing(tmp_path: Path) -> None:
    assert Costs().recall(config(tmp_path, per_day=1), TODAY) == TODAY


@pytest.mark.parametrize("cost", [None, 5, {"total": "much"}, {"total": 1}, {}])
def test_a_record_whose_cost_says_nothing_is_no_matter(tmp_path: Path, cost: Any) -> None:
    settings = config(tmp_path, per_day=1)
    add(settings.storage.spool, record("a", cost=cost), day="2026-03-20")
    costs = Costs()
    costs.recall(settings, TODAY)
    assert costs.exceeded(settings, NOON) == {}
