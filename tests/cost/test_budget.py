"""Budgets: what has been spent, by whom, since when."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sipagent.config import Config
from sipagent.cost.budget import SERVER, Spending

TODAY, TOMORROW, NEXT_MONTH = date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1)


def config(server: dict[str, Any] | None = None, **budgets: dict[str, Any]) -> Config:
    trunk = {"name": "pbx", "allowed_addresses": ["192.0.2.1"], "budget": budgets.get("trunk", {})}
    agents = {
        name: {"name": name, "backend": {"kind": "echo"}, "budget": budgets.get(name, {})}
        for name in ("desk", "night")
    }
    settings = {"prices": {}, "budget": server or {}, "trunks": {"pbx": trunk}, "agents": agents}
    return Config.model_validate(settings)


def spent(*costs: tuple[date, str, float]) -> Spending:
    spending = Spending()
    for day, agent, cost in costs:
        spending.add(day, agent, "pbx", Decimal(str(cost)))
    return spending


def test_an_agents_budget_is_its_own() -> None:
    spending = spent((TODAY, "desk", 9.5), (TODAY, "desk", 0.5), (TODAY, "night", 5))
    exceeded = spending.exceeded(config(desk={"per_day": 10}, night={"per_day": 10}), TODAY)
    assert set(exceeded) == {("agent", "desk")}
    assert str(exceeded["agent", "desk"]) == "agent desk has spent 10.00 of 10 USD today"


def test_trunk_and_server_pay_for_every_agent() -> None:
    spending = spent((TODAY, "desk", 6), (TODAY, "night", 5))
    exceeded = spending.exceeded(config({"per_month": 11}, trunk={"per_day": 10}), TODAY)
    assert set(exceeded) == {SERVER, ("trunk", "pbx")}
    assert exceeded[SERVER].period == "month"


def test_a_new_day_begins_at_nothing_and_the_month_goes_on() -> None:
    spending = spent((TODAY, "desk", 8), (TOMORROW, "desk", 1))
    assert spending.spent(("agent", "desk"), "day", TOMORROW) == 1
    assert spending.spent(("agent", "desk"), "month", TOMORROW) == 9
    assert spending.spent(("agent", "desk"), "day", NEXT_MONTH) == 0
    assert spending.spent(("agent", "desk"), "month", NEXT_MONTH) == 0


def test_what_an_earlier_day_has_cost_counts_for_the_month_when_it_is_learnt_late() -> None:
    spending = spent((TODAY, "desk", 1), (date(2026, 3, 1), "desk", 20), (date(2026, 2, 28), "desk", 500))
    assert spending.spent(("agent", "desk"), "day", TODAY) == 1
    assert spending.spent(("agent", "desk"), "month", TODAY) == 21


def test_without_a_cap_nothing_is_exceeded() -> None:
    assert spent((TODAY, "desk", 1e6)).exceeded(config(), TODAY) == {}
