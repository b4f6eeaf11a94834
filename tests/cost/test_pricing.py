"""Prices applied to usage and to minutes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sipagent.config import CallPrices, Config, PricesConfig
from sipagent.cost.bill import Bill
from sipagent.cost.pricing import Direction, billed_s, model_cost, models_without_price, trunk_cost
from sipagent.cost.usage import Quantities

PRICES = PricesConfig.model_validate(
    {
        "models": {
            "gpt": {
                "text_input_per_million": 4,
                "cached_text_input_per_million": 0.4,
                "audio_input_per_million": 32,
                "cached_audio_input_per_million": 0.4,
                "text_output_per_million": 24,
                "audio_output_per_million": 64,
            },
            "whisper": {"per_minute": 0.017},
            "uncached": {"text_input_per_million": 1, "audio_input_per_million": 2},
        },
        "trunks": {
            "pbx": {
                "inbound": {"per_minute": 0.006},
                "outbound": {"setup": 0.01, "per_minute": 0.06, "increment_s": 1, "minimum_s": 30},
            }
        },
    }
)


def test_each_kind_of_token_has_its_price() -> None:
    used = Quantities(1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000)
    assert model_cost(PRICES, "gpt", used) == Decimal("4") + Decimal("0.8") + 32 + 24 + 64


def test_a_cached_price_that_is_not_given_is_the_plain_one() -> None:
    used = Quantities(cached_text_input=1_000_000, cached_audio_input=1_000_000)
    assert model_cost(PRICES, "uncached", used) == 3


def test_audio_may_be_paid_by_the_minute() -> None:
    assert model_cost(PRICES, "whisper", Quantities(seconds=30)) == Decimal("0.0085")


def test_a_model_without_a_price_costs_nothing() -> None:
    assert model_cost(PRICES, "unheard-of", Quantities(text_input=10**9)) == 0


@pytest.mark.parametrize(
    ("direction", "answered_s", "cost"),
    [
        ("inbound", 0.5, "0.006"),
        ("inbound", 60.0, "0.006"),
        ("inbound", 60.1, "0.012"),
        ("outbound", 2.0, "0.04"),
        ("outbound", 90.2, "0.101"),
    ],
)
def test_a_trunk_is_paid_by_whole_increments(direction: Direction, answered_s: float, cost: str) -> None:
    assert trunk_cost(PRICES, "pbx", direction, answered_s) == Decimal(cost)


def test_models_that_were_forgotten_are_named() -> None:
    agent = {
        "name": "desk",
        "backend": {"kind": "openai_realtime", "model": "gpt"},
        "instructions": "Be brief.",
    }
    settings = {"prices": PRICES.model_dump(), "agents": {"desk": agent}}
    assert models_without_price(Config.model_validate(settings)) == ["gpt-transcribe"]
    assert models_without_price(Config.model_validate({"agents": {"desk": agent}})) == []


def test_a_trunk_without_a_price_costs_nothing() -> None:
    assert trunk_cost(PRICES, "other", "inbound", 1e6) == 0
    assert billed_s(CallPrices(increment_s=6), 0) == 0


def test_the_bill_of_a_call() -> None:
    bill = Bill(PRICES, "pbx", "inbound")
    bill.agent = "desk"
    assert bill.use("gpt", {"output_token_details": {"audio_tokens": 1000}}) == Decimal("0.064")
    bill.use("whisper", {"type": "duration", "seconds": 60})
    assert bill.connect_leg("pbx", 30.0) == Decimal("0.04")
    assert bill.connect_leg("other", 30.0) == 0
    assert bill.connect(61.0) == Decimal("0.012")
    charged = bill.settle("c-1", 5.0, 61.0)
    assert (charged.agent, charged.trunk, charged.answered_s) == ("desk", "pbx", 61.0)
    assert (charged.model_cost, charged.trunk_cost, charged.currency) == (0.081, 0.052, "USD")
    assert charged.trunks == {"pbx": 0.052, "other": 0.0}
    assert charged.models == {"gpt": 0.064, "whisper": 0.017}
    assert charged.tokens == {"gpt": {"audio_output": 1000}}


def test_without_prices_usage_is_told_and_nothing_costs_anything() -> None:
    bill = Bill(None, "pbx", "inbound")
    assert bill.use("gpt", {"input_tokens": 5}) == 0
    charged = bill.settle("c-1", 5.0, 61.0)
    assert (charged.tokens, charged.currency) == ({"gpt": {"text_input": 5}}, None)
