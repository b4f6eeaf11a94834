"""The bill of one call: what its models used and cost so far, and in the end what its minutes cost. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sipagent import events
from sipagent.config import PricesConfig
from sipagent.cost.pricing import NOTHING, Direction, model_cost, trunk_cost
from sipagent.cost.usage import Quantities, quantities

CENT_FRACTION = Decimal("0.000001")


class Bill:
    """One per call. Without `prices` nothing costs anything, but usage is added up all the same."""

    def __init__(self, prices: PricesConfig | None, trunk: str, direction: Direction) -> None:
        self.agent = ""
        self.trunk = trunk
        self._prices = prices
        self._direction: Direction = direction
        self._used: defaultdict[str, Quantities] = defaultdict(Quantities)
        self._costs: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._trunk_costs: defaultdict[str, Decimal] = defaultdict(Decimal)

    def use(self, model: str, usage: Mapping[str, Any]) -> Decimal:
        """Add usage of a model; returns what it costs."""
        used = quantities(usage)
        cost = NOTHING if self._prices is None else model_cost(self._prices, model, used)
        self._used[model] += used
        self._costs[model] += cost
        return cost

    def connect(self, answered_s: float) -> Decimal:
        """The call itself is over; returns what its trunk takes for it."""
        return self._add(self.trunk, self._direction, answered_s)

    def connect_leg(self, trunk: str, answered_s: float) -> Decimal:
        """A call of ours to a human is over; returns what its trunk takes for it."""
        return self._add(trunk, "outbound", answered_s)

    def settle(self, call_id: str, at: float, answered_s: float) -> events.CallCharged:
        """The whole bill of an answered call, when all that belongs to it is over."""
        return events.CallCharged(
            call_id=call_id,
            at=at,
            agent=self.agent,
            trunk=self.trunk,
            direction=self._direction,
            answered_s=round(answered_s, 3),
            tokens={model: used.tokens for model, used in self._used.items() if used.tokens},
            model_cost=amount(sum(self._costs.values(), NOTHING)),
            trunk_cost=amount(sum(self._trunk_costs.values(), NOTHING)),
            models={model: amount(cost) for model, cost in self._costs.items()},
            trunks={trunk: amount(cost) for trunk, cost in self._trunk_costs.items()},
            currency=None if self._prices is None else self._prices.currency,
        )

    def _add(self, trunk: str, direction: Direction, answered_s: float) -> Decimal:
        cost = NOTHING if self._prices is None else trunk_cost(self._prices, trunk, direction, answered_s)
        self._trunk_costs[trunk] += cost
        return cost


def cost_of_models(
    prices: PricesConfig | None, tokens: Mapping[str, Mapping[str, int]]
) -> dict[str, Any] | None:
    """The cost of a call, as records have it, of which no more is known than its `tokens` by model."""
    if prices is None or not tokens:
        return None
    costs = {model: amount(model_cost(prices, model, Quantities(**used))) for model, used in tokens.items()}
    total = round(sum(costs.values()), 6)
    return {
        "model": total,
        "trunk": 0.0,
        "total": total,
        "currency": prices.currency,
        "models": costs,
        "trunks": {},
    }


def amount(cost: Decimal) -> float:
    """Money as records, logs and metrics have it: a number, to the millionth."""
    return float(cost.quantize(CENT_FRACTION))
