"""What calls cost, as it happens: the bills of calls that are on, and budgets that are spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sipagent import logs
from sipagent.call.record.spool import read_lines
from sipagent.call_log.rows import amount
from sipagent.call_log.tail import day_of, spool_files
from sipagent.config import Config
from sipagent.cost.bill import Bill
from sipagent.cost.budget import Exceeded, Payer, Spending
from sipagent.cost.pricing import Direction

log = logs.get_logger(__name__)


class Costs:
    """Its one writer is the control loop."""

    def __init__(self) -> None:
        self._spending = Spending()
        self._told: set[tuple[date, Payer, str]] = set()

    def bill(self, config: Config, trunk: str, direction: Direction) -> Bill:
        return Bill(config.prices, trunk, direction)

    def spend(self, agent: str, trunk: str, cost: Decimal, now: datetime | None = None) -> None:
        """A call has cost more by so much."""
        self._spending.add((now or datetime.now(UTC)).date(), agent, trunk, cost)

    def exceeded(self, config: Config, now: datetime | None = None) -> Mapping[Payer, Exceeded]:
        """The budgets that refuse calls now. Whatever budget is spent is logged when that is first seen."""
        today = (now or datetime.now(UTC)).date()
        found = self._spending.exceeded(config, today)
        for payer, each in found.items():
            if (today, payer, each.period) not in self._told:
                self._told.add((today, payer, each.period))
                log.warning("budget_exceeded", what=str(each), on_exceeded=each.budget.on_exceeded)
        return {payer: each for payer, each in found.items() if each.budget.on_exceeded == "refuse"}

    def recall(self, config: Config, today: date) -> date:
        """Add what the spool's calls of this month have cost. Returns its first day: what ended before that
        is known to the database alone. Call it before the first call is taken."""
        if config.prices is None:
            return today
        first = today.replace(day=1)
        days = {day: path for path in spool_files(config.storage.spool) if (day := day_of(path)) is not None}
        for day, path in days.items():
            if day >= first:
                self._recall_records(day, read_lines(path, lambda number: None), config.prices.currency)
        return max(first, min(days, default=today))

    def recall_sums(self, day: date, sums: Iterable[tuple[str, str, Decimal]]) -> None:
        """Add what is known in sums only, by agent and trunk, of some earlier day of this month."""
        for agent, trunk, cost in sums:
            self._spending.add(day, agent, trunk, cost)

    def _recall_records(self, day: date, records: Iterable[Mapping[str, Any]], currency: str) -> None:
        for record in records:
            cost = record.get("cost")
            total = amount(cost.get("total")) if isinstance(cost, Mapping) else None
            if total is not None and isinstance(cost, Mapping) and cost.get("currency") == currency:
                agent, trunk = str(record.get("agent") or ""), str(record.get("trunk") or "")
                self._spending.add(day, agent, trunk, total)
