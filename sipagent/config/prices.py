"""What calls cost, and how much may be spent. Amounts are in one currency, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from sipagent.config.values import Section

Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Cap = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class ModelPrices(Section):
    """What a model costs: per million tokens, per minute of its session or of transcribed audio, or both.

    A cached price that is null is that of uncached input.
    """

    text_input_per_million: Amount = Decimal(0)
    cached_text_input_per_million: Amount | None = None
    audio_input_per_million: Amount = Decimal(0)
    cached_audio_input_per_million: Amount | None = None
    text_output_per_million: Amount = Decimal(0)
    audio_output_per_million: Amount = Decimal(0)
    per_minute: Amount = Decimal(0)


class CallPrices(Section):
    """What a provider takes for an answered call.

    Its duration counts in whole increments of `increment_s`, and for `minimum_s` at least.
    """

    setup: Amount = Decimal(0)
    per_minute: Amount = Decimal(0)
    increment_s: PositiveInt = 60
    minimum_s: Annotated[int, Field(ge=0)] = 0


class TrunkPrices(Section):
    inbound: CallPrices = CallPrices()
    outbound: CallPrices = CallPrices()


class PricesConfig(Section):
    """The price table: `prices.yaml`, or the section `prices` of sipagent.yaml. Models go by their names."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    models: Mapping[str, ModelPrices] = {}
    trunks: Mapping[str, TrunkPrices] = {}


class BudgetConfig(Section):
    """The most that may be spent in a day and in a month (UTC): by the server, a trunk or an agent.

    When it is spent, `refuse` turns new calls away with `sip_status`, and `warn` only says so.
    """

    per_day: Cap | None = None
    per_month: Cap | None = None
    on_exceeded: Literal["refuse", "warn"] = "refuse"
    sip_status: Annotated[int, Field(ge=400, le=699)] = 503
