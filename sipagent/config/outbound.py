"""Calls that we place: to whom, at what pace, as whom, and how often it is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from sipagent.config.values import Section

#: The tenant of dials that name none.
DEFAULT_TENANT = "default"
#: What may be tried again: outcomes of calls, and `machine` for one that a machine answered.
Retried = Literal["busy", "no_answer", "rejected", "unreachable", "failed", "machine"]

_PREFIX = re.compile(r"\+?\d*")
_NUMBER = re.compile(r"\+?\d{2,20}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?")


def _prefix(text: str) -> str:
    if not text or not _PREFIX.fullmatch(text):
        raise ValueError("must be the first digits of numbers, such as '+49', or '+' for every country")
    return text


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number in digits, such as '+442071234567'")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("must be 'host' or 'host:port'")
    return text.lower()


Name = Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
Prefix = Annotated[str, AfterValidator(_prefix)]
PoolNumber = Annotated[str, AfterValidator(_number)]
AllowedHost = Annotated[str, AfterValidator(_host)]
WaitS = Annotated[float, Field(ge=0, le=7 * 86400)]


class RetryConfig(Section):
    """How often a number is tried. The first wait follows the first attempt, the last one all that are left.

    Waits are made longer or shorter by up to `jitter`, a share of them. `hours` is a calendar of
    `routes.yaml`: no attempt, the first one neither, begins outside of it.
    """

    attempts: Annotated[int, Field(ge=1, le=20)] = 1
    waits_s: Annotated[tuple[WaitS, ...], Field(min_length=1)] = (300.0,)
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.1
    retry_on: tuple[Retried, ...] = ("busy", "no_answer", "unreachable", "failed")
    hours: str | None = None


class PoolConfig(Section):
    """Numbers that we call from. `choose`: the one that has rested longest, the one with the fewest calls in
    24 hours, or the one that has most first digits in common with the callee's.

    `sticky`: who was called before is called from the same number again, as long as it is in the pool.
    """

    numbers: Annotated[tuple[PoolNumber, ...], Field(min_length=1)]
    choose: Literal["round_robin", "least_used", "matching_prefix"] = "round_robin"
    sticky: bool = False
    max_concurrent_per_number: PositiveInt | None = None
    max_per_day_per_number: PositiveInt | None = None


class TenantConfig(Section):
    """What one tenant may have: calls begun per second, evenly spread, and calls at once."""

    calls_per_s: PositiveFloat = 1.0
    max_concurrent: PositiveInt = 10


class CapsConfig(Section):
    """What one token may have placed: calls at once, in any 60 s, and in any 24 hours. Null: no cap."""

    max_concurrent: PositiveInt | None = None
    max_per_minute: PositiveInt | None = None
    max_per_day: PositiveInt | None = None


class OutboundConfig(Section):
    """Nobody may be called who isn't named here. Of the prefixes in `allow` and `deny` the longest decides.

    `allow_hosts` are those of SIP URIs that may be called. `trunk` carries dials that name none; null: the
    only one. Tenants that aren't named have `default_tenant`, each for itself. `policies` are for dials to
    name; those that name none have the one called `default`, if there is one. `expire_after_s` is how long a
    dial may wait that doesn't say itself. Dials that are over are kept for `keep_days`.
    """

    allow: tuple[Prefix, ...] = ()
    deny: tuple[Prefix, ...] = ()
    allow_hosts: tuple[AllowedHost, ...] = ()
    trunk: str | None = None
    pools: Mapping[Name, PoolConfig] = {}
    default_tenant: TenantConfig = TenantConfig()
    tenants: Mapping[Name, TenantConfig] = {}
    policies: Mapping[Name, RetryConfig] = {}
    max_open_dials: PositiveInt = 10_000
    expire_after_s: Annotated[int, Field(ge=60, le=30 * 86400)] = 86400
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30

    def tenant(self, name: str) -> TenantConfig:
        return self.tenants.get(name, self.default_tenant)
