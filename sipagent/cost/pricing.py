"""Prices applied: to what a model used, and to the minutes of a call over a trunk. Pure."""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import Literal

from sipagent.config import CallPrices, Config, ModelPrices, OpenAIRealtimeConfig, PricesConfig
from sipagent.cost.usage import Quantities

MILLION = Decimal(1_000_000)
NOTHING = Decimal(0)

Direction = Literal["inbound", "outbound"]


def models_without_price(config: Config) -> list[str]:
    """The models of agents that will cost nothing although there are prices."""
    if config.prices is None:
        return []
    used = {
        model
        for agent in config.agents.values()
        if isinstance(agent.backend, OpenAIRealtimeConfig)
        for model in (agent.backend.model, agent.transcription.model if agent.transcription else "")
    }
    return sorted(used - config.prices.models.keys() - {""})


def model_cost(prices: PricesConfig, model: str, used: Quantities) -> Decimal:
    """What `used` costs at this model's prices; nothing for a model without a price."""
    price = prices.models.get(model)
    if price is None:
        return NOTHING
    per_million = (
        used.text_input * price.text_input_per_million
        + used.cached_text_input * _cached_text(price)
        + used.audio_input * price.audio_input_per_million
        + used.cached_audio_input * _cached_audio(price)
        + used.text_output * price.text_output_per_million
        + used.audio_output * price.audio_output_per_million
    )
    return per_million / MILLION + Decimal(str(used.seconds)) * price.per_minute / 60


def trunk_cost(prices: PricesConfig, trunk: str, direction: Direction, answered_s: float) -> Decimal:
    """What the provider takes for an answered call of `answered_s` seconds."""
    of_trunk = prices.trunks.get(trunk)
    if of_trunk is None:
        return NOTHING
    price = of_trunk.inbound if direction == "inbound" else of_trunk.outbound
    return price.setup + billed_s(price, answered_s) * price.per_minute / 60


def billed_s(price: CallPrices, answered_s: float) -> int:
    """The seconds that are paid for: whole increments, and no fewer than the minimum."""
    return ceil(max(answered_s, price.minimum_s) / price.increment_s) * price.increment_s


def _cached_text(price: ModelPrices) -> Decimal:
    cached = price.cached_text_input_per_million
    return price.text_input_per_million if cached is None else cached


def _cached_audio(price: ModelPrices) -> Decimal:
    cached = price.cached_audio_input_per_million
    return price.audio_input_per_million if cached is None else cached
