"""Which calls may be placed, and who talks in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sipagent.call.admission.backend_health import BackendHealth
from sipagent.call.admission.decision import Admit, Refuse
from sipagent.call.admission.originating import decide, with_variables
from sipagent.call.admission.question import Load
from sipagent.call.admission.rates import CallRates
from sipagent.call.origination import Origination
from sipagent.config import BudgetConfig, Config
from sipagent.cost.budget import SERVER, Exceeded
from sipagent.errors import ReasonCode

DOWN = BackendHealth(failures=3, down_since=0.0, try_at=60.0, cause="backend_unreachable")


@pytest.fixture
def config() -> Config:
    echo = {"backend": {"kind": "echo"}}
    agents = {
        "seller": echo | {"fallback": {"steps": [{"agent": "spare"}]}},
        "spare": echo,
        "alone": echo,
    }
    trunk = {"name": "pbx", "allowed_addresses": ["192.0.2.1"], "max_calls": 2, "max_calls_per_second": 1}
    return Config.model_validate(
        {
            "limits": {"max_calls": 10, "max_calls_per_second": 5},
            "trunks": {"pbx": trunk},
            "agents": {name: agent | {"name": name} for name, agent in agents.items()},
        }
    )


def ask(config: Config, load: Load | None = None, now: float = 0.0, **wanted: Any) -> Admit | Refuse:
    asked = {"to": "100", "to_uri": "sip:100@192.0.2.1", "trunk": "pbx", "agent": "seller"} | wanted
    return decide(Origination(**asked), load or Load(), config, now)


def refused(decision: Admit | Refuse) -> tuple[ReasonCode, int | None]:
    assert isinstance(decision, Refuse)
    assert not decision.trail[-1].passed
    return decision.reason_code, decision.retry_after_s


def test_a_call_that_nothing_forbids_is_placed(config: Config) -> None:
    decision = ask(config)
    assert isinstance(decision, Admit)
    assert (decision.trunk.name, decision.agent.name, decision.route) == ("pbx", "seller", "pbx -> seller")
    rules = [each.rule for each in decision.trail]
    limits = ["server_calls", "trunk_calls", "server_rate", "trunk_rate"]
    assert rules == ["backend", "draining", "budget", *limits]


def test_trunk_and_agent_must_be_there(config: Config) -> None:
    assert refused(ask(config, trunk="other")) == ("trunk_unknown", None)
    assert refused(ask(config, agent="other")) == ("agent_unknown", None)


def test_limits_are_those_of_all_calls(config: Config) -> None:
    assert refused(ask(config, Load(draining=True)))[0] == "draining"
    assert refused(ask(config, Load(calls=10)))[0] == "server_call_limit"
    code, retry_after_s = refused(ask(config, Load(calls=2, calls_by_trunk={"pbx": 2})))
    assert code == "trunk_call_limit"
    assert retry_after_s is not None


def test_the_rate_of_a_trunk_is_shared_with_calls_that_come_in(config: Config) -> None:
    rates = CallRates.full(config, 0.0).after_call("pbx", 0.0)
    assert refused(ask(config, Load(rates=rates), now=0.5)) == ("trunk_rate_limit", 1)
    assert isinstance(ask(config, Load(rates=rates), now=1.0), Admit)


def test_a_spent_budget_places_no_calls(config: Config) -> None:
    budget = BudgetConfig.model_validate({"per_day": 1, "on_exceeded": "refuse"})
    exceeded = Exceeded(SERVER, "day", Decimal(2), Decimal(1), "EUR", budget)
    assert refused(ask(config, Load(exceeded={SERVER: exceeded})))[0] == "budget_exceeded"


def test_for_an_agent_whose_backend_is_down_another_talks_or_nobody(config: Config) -> None:
    decision = ask(config, Load(backends={"seller": DOWN}))
    assert isinstance(decision, Admit)
    assert decision.agent.name == "spare"
    assert refused(ask(config, Load(backends={"alone": DOWN}), agent="alone")) == ("backend_down", 60)


def test_variables_fill_what_the_agent_says_and_is_told(config: Config) -> None:
    texts = {"instructions": "{a} {b} {d} {{a}}", "greeting": None}
    agent = with_variables(config.agents["alone"].model_copy(update=texts), {"a": "{b}", "c": "x", "b": "B"})
    assert (agent.instructions, agent.greeting) == ("{b} B {d} {{b}}", None)
