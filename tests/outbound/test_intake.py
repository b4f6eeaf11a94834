"""What is asked for, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from sipagent.config import Config
from sipagent.outbound.dial import Retry, Wish
from sipagent.outbound.intake import Asked, Refusal, wish_of
from tests.outbound.dials import NOW

CONFIG = Config.model_validate(
    {
        "outbound": {
            "allow": ["+49"],
            "pools": {"sales": {"numbers": ["+4930111", "+4989222"]}},
            "policies": {
                "default": {"attempts": 2, "waits_s": [60]},
                "office": {"attempts": 3, "hours": "office"},
                "lost": {"hours": "nowhere"},
            },
        },
        "agents": {"seller": {"name": "seller", "backend": {"kind": "echo"}}},
        "trunks": {
            "carrier": {
                "name": "carrier",
                "allowed_addresses": ["192.0.2.1"],
                "transfer": {"uri_template": "sip:{number}@192.0.2.1"},
                "numbers": {"+4940999": "seller", "*": "seller"},
            },
            "mute": {"name": "mute", "allowed_addresses": ["192.0.2.2"]},
        },
        "routes": {"calendars": {"office": {"time_zone": "UTC", "hours": {"mon-fri": "09:00-17:00"}}}},
    }
)
MINIMUM = {"to": "+49 30 123456", "agent": "seller", "trunk": "carrier"}


def taken(trunks: frozenset[str] = frozenset({"carrier", "mute"}), **fields: Any) -> Wish:
    asked = Asked.model_validate(MINIMUM | fields)
    return wish_of(asked, CONFIG, "crm", trunks.__contains__, NOW)


def test_little_need_be_said() -> None:
    wish = taken()
    assert (wish.to, wish.agent, wish.trunk, wish.key, wish.tenant) == (
        *("+4930123456", "seller", "carrier"),
        *("crm", "default"),
    )
    assert (wish.caller, wish.pool, wish.campaign) == (None, None, None)
    assert (wish.retry.attempts, wish.retry.waits_s) == (2, (60.0,))
    assert (wish.not_before, wish.expires_at) == (NOW, NOW + 86400)


def test_everything_may_be_said() -> None:
    wish = taken(
        **{"from": "+49 40 999", "tenant": "acme", "campaign": "autumn", "ring_timeout_s": 20},
        variables={"name": "Anna"},
        headers={"X-Order": "17"},
        retry={"attempts": 4, "jitter": 0},
        detect_machine=True,
        hide_caller=True,
        not_before="2027-01-15T09:00:00+01:00",
        expires_at="2027-01-15T18:00:00+01:00",
    )
    assert (wish.caller, wish.tenant, wish.campaign) == ("+4940999", "acme", "autumn")
    assert (wish.variables, wish.headers) == ({"name": "Anna"}, (("X-Order", "17"),))
    assert (wish.retry.attempts, wish.detects_machine, wish.hides_caller) == (4, True, True)
    assert wish.not_before == datetime(2027, 1, 15, 8, tzinfo=UTC).timestamp()
    assert wish.expires_at - wish.not_before == 9 * 3600


def test_the_only_trunk_that_may_be_used_need_not_be_named() -> None:
    assert taken(frozenset({"carrier"}), trunk=None).trunk == "carrier"


def test_policies_are_named_or_written() -> None:
    assert taken(retry="office").retry.hours == "office"
    assert isinstance(taken(retry={"attempts": 1}).retry, Retry)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"to": "+33123456"}, "destination_not_allowed"),
        ({"trunk": None}, "trunk_unknown"),
        ({"trunk": "x"}, "trunk_unknown"),
        ({"trunk": "mute"}, "not_diallable"),
        ({"agent": "x"}, "agent_unknown"),
        ({"pool": "x"}, "pool_unknown"),
        ({"pool": "sales", "from": "+4930111"}, "caller_twice"),
        ({"from": "+4930112"}, "caller_not_ours"),
        ({"from": "*"}, "caller_not_ours"),
        ({"retry": "x"}, "policy_unknown"),
        ({"retry": "lost"}, "calendar_unknown"),
        ({"retry": {"hours": "x"}}, "calendar_unknown"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_too_soon"),
        ({"not_before": "2027-02-01T00:00:00Z", "expires_at": "2027-01-31T00:00:00Z"}, "expires_too_soon"),
    ],
)
def test_what_can_not_be_is_refused_by_a_rule(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(Refusal) as refusal:
        taken(**fields)
    assert refusal.value.rule == rule


def test_a_trunk_that_the_token_may_not_use_is_as_if_it_were_not_there() -> None:
    with pytest.raises(Refusal, match="there is no trunk 'carrier'"):
        taken(frozenset({"mute"}))


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"Via": "x"}},
        {"headers": {"X-A": "a\r\nVia: b"}},
        {"headers": {f"X-{number}": "" for number in range(17)}},
        {"variables": {"1x": "y"}},
        {"tenant": "a b"},
        {"campaign": ""},
        {"ring_timeout_s": 0},
        {"not_before": "2027-01-15T09:00:00"},
        {"unknown": 1},
    ],
)
def test_what_makes_no_sense_is_not_understood(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Asked.model_validate(MINIMUM | fields)
