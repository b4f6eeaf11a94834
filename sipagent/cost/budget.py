"""What has been spent today and this month, and which budgets that exhausts. Pure. Days are UTC's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from sipagent.config import BudgetConfig, Config

#: Who has a budget: the server (named ""), a trunk or an agent.
Payer = tuple[Literal["server", "trunk", "agent"], str]
SERVER: Payer = ("server", "")

PERIODS: tuple[Literal["day", "month"], ...] = ("day", "month")


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A budget that is spent."""

    payer: Payer
    period: str
    spent: Decimal
    cap: Decimal
    currency: str
    budget: BudgetConfig

    def __str__(self) -> str:
        kind, name = self.payer
        whose = f"{kind} {name}".strip()
        when = "today" if self.period == "day" else "this month"
        return f"{whose} has spent {self.spent:.2f} of {self.cap:f} {self.currency} {when}"


class Spending:
    """Adds up what calls cost. What is of another month than the newest seen is forgotten."""

    def __init__(self) -> None:
        self._month = ""
        self._day = ""
        self._of_month: defaultdict[Payer, Decimal] = defaultdict(Decimal)
        self._of_day: defaultdict[Payer, Decimal] = defaultdict(Decimal)

    def add(self, day: date, agent: str, trunk: str, cost: Decimal) -> None:
        """A call of this agent, over this trunk, has cost so much on this day."""
        self._turn(day)
        for payer in payers(agent, trunk):
            if day.isoformat()[:7] == self._month:
                self._of_month[payer] += cost
            if day.isoformat() == self._day:
                self._of_day[payer] += cost

    def spent(self, payer: Payer, period: Literal["day", "month"], today: date) -> Decimal:
        self._turn(today)
        return (self._of_day if period == "day" else self._of_month)[payer]

    def exceeded(self, config: Config, today: date) -> Mapping[Payer, Exceeded]:
        """The budgets that are spent, the day's before the month's."""
        found: dict[Payer, Exceeded] = {}
        currency = config.prices.currency if config.prices else ""
        for payer, budget in budgets(config):
            for period in PERIODS:
                cap = cap_of(budget, period)
                spent = self.spent(payer, period, today) if cap is not None else Decimal(0)
                if cap is not None and spent >= cap:
                    found.setdefault(payer, Exceeded(payer, period, spent, cap, currency, budget))
        return found

    def _turn(self, day: date) -> None:
        """A new day begins at nothing, and so does a new month."""
        if day.isoformat() > self._day:
            self._day = day.isoformat()
            self._of_day.clear()
        if self._day[:7] > self._month:
            self._month = self._day[:7]
            self._of_month.clear()


def payers(agent: str, trunk: str) -> tuple[Payer, ...]:
    """Whose money a call of this agent over this trunk is."""
    return (SERVER, ("trunk", trunk), ("agent", agent))


def budgets(config: Config) -> Iterator[tuple[Payer, BudgetConfig]]:
    yield SERVER, config.budget
    for trunk in config.trunks.values():
        yield ("trunk", trunk.name), trunk.budget
    for agent in config.agents.values():
        yield ("agent", agent.name), agent.budget


def cap_of(budget: BudgetConfig, period: Literal["day", "month"]) -> Decimal | None:
    return budget.per_day if period == "day" else budget.per_month
