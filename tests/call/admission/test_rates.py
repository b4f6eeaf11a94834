"""Calls per second: a second's worth at once, then the rate, of a trunk and of the server."""

from __future__ import annotations

import pytest

from sipagent.call.admission.decision import Admit
from sipagent.call.admission.question import Load
from sipagent.call.admission.rates import CallRates, TokenBucket
from sipagent.config import Config
from sipagent.errors import ReasonCode
from tests.call.admission.decided import admitted, refused
from tests.call.admission.peers import CARRIER, ask, invite


def admit_all_at(config: Config, rates: CallRates, now: float, calls: int) -> tuple[int, CallRates]:
    """How many of `calls` INVITEs of one instant are admitted, and the rates after them."""
    taken = 0
    for _ in range(calls):
        if isinstance(ask(config, load=Load(rates=rates), now=now), Admit):
            rates, taken = rates.after_call("pbx", now), taken + 1
    return taken, rates


def test_a_trunk_gets_one_seconds_worth_at_once_and_then_its_rate(config: Config) -> None:
    rates = CallRates.full(config, now=100.0)
    at_once, rates = admit_all_at(config, rates, 100.0, calls=10)
    assert at_once == 2
    later = 0
    for tenth in range(1, 101):
        taken, rates = admit_all_at(config, rates, 100.0 + tenth / 10, calls=3)
        later += taken
    assert later == 20


def test_a_trunks_rate_leaves_other_trunks_alone_up_to_the_servers(config: Config) -> None:
    rates = CallRates.full(config, now=0.0)
    for trunk in ("pbx", "pbx"):
        rates = rates.after_call(trunk, 0.0)
    assert refused(ask(config, load=Load(rates=rates))).reason_code is ReasonCode.TRUNK_RATE_LIMIT
    admitted(ask(config, invite(CARRIER, "sales"), Load(rates=rates)))
    for trunk in ("sales", "support"):
        rates = rates.after_call(trunk, 0.0)
    over = refused(ask(config, invite(CARRIER, "sales"), Load(rates=rates)))
    assert over.reason_code is ReasonCode.SERVER_RATE_LIMIT
    assert over.detail == "more than 4 calls per second"


def test_retry_after_is_the_wait_for_the_next_token_in_whole_seconds() -> None:
    slow = TokenBucket.full(0.2, now=0.0).taken(now=0.0)
    assert slow.wait_s(0.0) == pytest.approx(5.0)
    assert slow.wait_s(4.0) == pytest.approx(1.0)
    assert slow.wait_s(5.0) == 0.0


def test_a_bucket_never_holds_more_than_a_seconds_worth() -> None:
    assert TokenBucket.full(5, now=0.0).level(now=1000.0) == 5.0
