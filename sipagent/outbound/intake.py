"""From what a client of the API asks for to a wish that can be kept, or the rule that refuses it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from sipagent.call.numbering import NotDiallable, uri_to_call
from sipagent.config import ANY_NUMBER, DEFAULT_TENANT, Config, RetryConfig, TrunkConfig
from sipagent.config.outbound import Name
from sipagent.config.transfer import plain_number
from sipagent.outbound import allowing
from sipagent.outbound.dial import Retry, Wish

#: What a call may carry beside its own headers: no header that SIP itself lives by.
_HEADER = re.compile(r"(?i:x-[a-z0-9-]+|user-to-user|subject)")
MOST_HEADERS, MOST_VARIABLES = 16, 64


class Refusal(Exception):
    """This dial is not taken. `rule` is for programs, and for metrics."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("must begin with X-, or be User-to-User or Subject")
    return name


HeaderName = Annotated[str, Field(max_length=64), AfterValidator(_header)]
HeaderText = Annotated[str, Field(max_length=256, pattern=r"^[\x20-\x7e]*$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w{0,63}$")]
Variables = Annotated[
    dict[VariableName, Annotated[str, Field(max_length=4000)]], Field(max_length=MOST_VARIABLES)
]
Target = Annotated[str, Field(min_length=1, max_length=256)]


class Terms(BaseModel):
    """How somebody is to be called. `from` is a number of ours, or `pool` names several to choose from.

    `retry` names a policy, or is one. Nothing is tried before `not_before` or after `expires_at`.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    agent: str
    trunk: str | None = None
    from_: Annotated[Target | None, Field(alias="from")] = None
    pool: str | None = None
    hide_caller: bool = False
    tenant: Name = DEFAULT_TENANT
    campaign: Name | None = None
    ring_timeout_s: Annotated[float, Field(ge=1, le=300)] = 45.0
    variables: Variables = {}
    headers: Annotated[dict[HeaderName, HeaderText], Field(max_length=MOST_HEADERS)] = {}
    retry: str | RetryConfig | None = None
    detect_machine: bool = False
    not_before: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None


class Asked(Terms):
    """One dial: `to` is a number, or a SIP URI of an allowed host."""

    to: Target


Sees = Callable[[str], bool]


def wish_of(asked: Asked, config: Config, key: str, sees: Sees, now: float) -> Wish:
    """What the token `key`, which may use the trunks that it `sees`, asks for. Raises `Refusal`."""
    verdict = allowing.judge(asked.to, config.outbound)
    if isinstance(verdict, allowing.Refused):
        raise Refusal(verdict.rule, verdict.detail)
    trunk = _trunk(asked, config, sees)
    _known(asked.agent, config.agents, "agent")
    try:
        uri_to_call(verdict.to, trunk)
    except NotDiallable as error:
        raise Refusal("not_diallable", str(error)) from None
    return Wish(
        to=verdict.to,
        agent=asked.agent,
        trunk=trunk.name,
        key=key,
        tenant=asked.tenant,
        caller=_caller(asked, trunk, config),
        pool=asked.pool,
        hides_caller=asked.hide_caller,
        campaign=asked.campaign,
        ring_timeout_s=asked.ring_timeout_s,
        variables=asked.variables,
        headers=tuple(asked.headers.items()),
        retry=_policy(asked.retry, config),
        detects_machine=asked.detect_machine,
        not_before=_time(asked.not_before, now),
        expires_at=_expiry(asked, config, now),
    )


def _trunk(asked: Asked, config: Config, sees: Sees) -> TrunkConfig:
    usable = {name: trunk for name, trunk in config.trunks.items() if sees(name)}
    name = asked.trunk or config.outbound.trunk
    if name is None and len(usable) == 1:
        (name,) = usable
    if name is None:
        raise Refusal("trunk_unknown", "name a trunk: there are several")
    _known(name, usable, "trunk")
    return usable[name]


def _known(name: str, names: Mapping[str, Any], kind: str) -> None:
    if name not in names:
        raise Refusal(f"{kind}_unknown", f"there is no {kind} '{name}'")


def _caller(asked: Asked, trunk: TrunkConfig, config: Config) -> str | None:
    """The number to call from, which must be ours: nobody calls in another's name."""
    if asked.pool is not None:
        _known(asked.pool, config.outbound.pools, "pool")
        if asked.from_ is not None:
            raise Refusal("caller_twice", "name either from or pool")
        return None
    if asked.from_ is None:
        return None
    caller = plain_number(asked.from_)
    pooled = {number for pool in config.outbound.pools.values() for number in pool.numbers}
    registered = {trunk.registration.username} if trunk.registration else set()
    if caller not in pooled | registered | trunk.numbers.keys() - {ANY_NUMBER}:
        raise Refusal("caller_not_ours", f"{caller} is neither a number of the trunk nor in a pool")
    return caller


def _policy(asked: str | RetryConfig | None, config: Config) -> Retry:
    policies = config.outbound.policies
    if isinstance(asked, str):
        _known(asked, policies, "policy")
        asked = policies[asked]
    policy = asked or policies.get("default") or RetryConfig()
    if policy.hours is not None:
        _known(policy.hours, config.routes.calendars, "calendar")
    return Retry(**policy.model_dump())


def _expiry(asked: Asked, config: Config, now: float) -> float:
    begins = _time(asked.not_before, now)
    expires_at = _time(asked.expires_at, begins + config.outbound.expire_after_s)
    if expires_at <= begins:
        raise Refusal("expires_too_soon", "expires_at is over, or before not_before")
    return expires_at


def _time(moment: datetime | None, default: float) -> float:
    return default if moment is None else moment.timestamp()
