"""Admission: which rule decides, in which order, and what the peer and the operator are told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from sipagent.call.admission.checks import BEFORE_ANSWER, BEFORE_ROUTE, CALL_LIMIT_RETRY_S
from sipagent.call.admission.decision import Refuse
from sipagent.call.admission.incoming import decide
from sipagent.call.admission.question import Load
from sipagent.call.admission.rates import CallRates, TokenBucket
from sipagent.config import BudgetConfig, Config
from sipagent.cost.budget import SERVER, Exceeded, Payer
from sipagent.errors import ReasonCode
from sipagent.sip.messages import OfferedAudio
from tests.call.admission.decided import admitted, refused
from tests.call.admission.peers import CARRIER, SECURE, ask, invite
from tests.call.fake_sip import PBX, STRANGER


def test_a_listed_peer_reaches_the_agent_of_the_number(config: Config) -> None:
    decision = admitted(ask(config))
    assert (decision.trunk.name, decision.agent.name) == ("pbx", "echo")
    assert decision.route == "pbx/100 -> echo"


def test_the_trail_of_an_admitted_call_holds_every_rule(config: Config) -> None:
    trail = admitted(ask(config)).trail
    assert [result.rule for result in trail] == [
        *("trunk", *BEFORE_ROUTE, "number", "backend", "budget", *BEFORE_ANSWER)
    ]
    assert all(result.passed and result.detail for result in trail)


def test_any_other_number_reaches_the_agent_of_the_star(config: Config) -> None:
    decision = admitted(ask(config, invite(CARRIER, "support", to_header="+15557777")))
    assert decision.route == "support/* -> human"


def test_a_call_to_our_account_is_for_the_number_in_its_to_header(config: Config) -> None:
    decision = admitted(ask(config, invite(CARRIER, "support", to_header="+15550111")))
    assert decision.route == "support/+15550111 -> echo"


def test_of_two_accounts_at_one_provider_the_addressed_one_is_meant(config: Config) -> None:
    assert admitted(ask(config, invite(CARRIER, "sales"))).trunk.name == "sales"
    assert admitted(ask(config, invite(CARRIER, "support"))).trunk.name == "support"
    assert admitted(ask(config, invite(CARRIER, "+15550111"))).trunk.name == "support"


def test_an_ipv4_peer_of_an_ipv6_socket_is_known(config: Config) -> None:
    assert admitted(ask(config, invite(f"::ffff:{PBX}"))).trunk.name == "pbx"
    assert admitted(ask(config, invite(f"::ffff:{CARRIER}", "sales"))).trunk.name == "sales"


def test_a_late_offer_needs_no_codec(config: Config) -> None:
    admitted(ask(config, codecs=None))


def test_codec_names_match_in_any_case(config: Config) -> None:
    admitted(ask(config, codecs=("opus", "pcma")))


def test_an_unknown_source_is_refused_without_a_trunk(config: Config) -> None:
    refusal = refused(ask(config, invite(STRANGER)))
    assert (refusal.sip_status, refusal.reason_code) == (403, ReasonCode.TRUNK_UNKNOWN)
    assert refusal.trunk is None
    assert [result.passed for result in refusal.trail] == [False]


def test_a_registrar_counts_only_while_we_are_registered(config: Config) -> None:
    decision = decide(invite(CARRIER, "sales"), None, Load(), config, {}, 0.0)
    assert refused(decision).reason_code is ReasonCode.TRUNK_UNKNOWN


def test_a_trunk_over_tls_takes_nothing_over_udp(config: Config) -> None:
    request = invite(SECURE)
    assert refused(ask(config, request)).reason_code is ReasonCode.TRUNK_UNKNOWN
    assert admitted(ask(config, replace(request, transport="tls"))).trunk.name == "secure"


@pytest.mark.parametrize(
    ("called", "hint"),
    [("15550100", "near it is +15550100"), ("7", "add it, or '*' for every number"), ("", "(no number)")],
)
def test_an_unknown_number_gets_404_and_a_hint(config: Config, called: str, hint: str) -> None:
    refusal = refused(ask(config, invite(to=called)))
    assert (refusal.sip_status, refusal.reason_code) == (404, ReasonCode.NUMBER_UNKNOWN)
    assert hint in refusal.detail
    assert refusal.trunk is not None


def test_a_draining_server_sends_callers_away_until_it_is_gone(config: Config) -> None:
    refusal = refused(ask(config, load=Load(draining=True)))
    assert (refusal.sip_status, refusal.reason_code) == (503, ReasonCode.DRAINING)
    assert refusal.retry_after_s == 30


@pytest.mark.parametrize(
    ("load", "reason_code", "detail"),
    [
        (Load(calls=10), ReasonCode.SERVER_CALL_LIMIT, "10 of 10 calls of the server"),
        (Load(calls=9, calls_by_trunk={"pbx": 5}), ReasonCode.TRUNK_CALL_LIMIT, "5 of 5 calls over pbx"),
    ],
)
def test_a_call_limit_gets_503_with_retry_after(
    config: Config, load: Load, reason_code: ReasonCode, detail: str
) -> None:
    refusal = refused(ask(config, load=load))
    assert (refusal.sip_status, refusal.reason_code, refusal.detail) == (503, reason_code, detail)
    assert refusal.retry_after_s == CALL_LIMIT_RETRY_S


@pytest.mark.parametrize("payer", [SERVER, ("trunk", "pbx"), ("agent", "echo")], ids=str)
def test_a_spent_budget_refuses_whatever_it_is_to_pay_for(config: Config, payer: Payer) -> None:
    spent = Exceeded(payer, "day", Decimal("10.5"), Decimal(10), "USD", BudgetConfig(sip_status=480))
    refusal = refused(ask(config, load=Load(exceeded={payer: spent})))
    assert (refusal.sip_status, refusal.reason_code) == (480, ReasonCode.BUDGET_EXCEEDED)
    assert refusal.detail.endswith("has spent 10.50 of 10 USD today")


@pytest.mark.parametrize("payer", [("trunk", "sales"), ("agent", "human")], ids=str)
def test_the_budget_of_somebody_else_is_no_matter(config: Config, payer: Payer) -> None:
    spent = Exceeded(payer, "day", Decimal(11), Decimal(10), "USD", BudgetConfig())
    admitted(ask(config, load=Load(exceeded={payer: spent})))


def test_one_call_below_every_limit_is_admitted(config: Config) -> None:
    admitted(ask(config, load=Load(calls=9, calls_by_trunk={"pbx": 4, "sales": 5})))


def test_no_common_codec_gets_488(config: Config) -> None:
    refusal = refused(ask(config, codecs=("opus", "G729")))
    assert (refusal.sip_status, refusal.reason_code) == (488, ReasonCode.NO_COMMON_CODEC)
    assert refusal.detail == "offered G729, OPUS; pbx speaks PCMA"
    assert refusal.retry_after_s is None


@pytest.mark.parametrize(
    ("offered", "off", "optional", "required"),
    [
        (None, "late", "late", "late"),
        (OfferedAudio(("PCMA",)), "plain RTP", "plain RTP", ReasonCode.SRTP_REQUIRED),
        (OfferedAudio(None, ("PCMA",), ("X",)), ReasonCode.SRTP_OFF, "X", "X"),
        (OfferedAudio(("PCMA",), ("PCMA",), ("X",)), "plain RTP", "X", "X"),
        (
            OfferedAudio(None, ("PCMA",)),
            ReasonCode.SRTP_OFF,
            ReasonCode.NO_COMMON_CRYPTO,
            ReasonCode.NO_COMMON_CRYPTO,
        ),
        (OfferedAudio(("PCMA",), ("PCMU",), ("X",)), "plain RTP", *[ReasonCode.NO_COMMON_CODEC] * 2),
    ],
)
def test_the_srtp_policy_of_a_trunk(
    config: Config, offered: OfferedAudio | None, off: str, optional: str, required: str
) -> None:
    for policy, expected in {"off": off, "optional": optional, "required": required}.items():
        trunk = config.trunks["pbx"].model_copy(update={"srtp": policy})
        asked = config.model_copy(update={"trunks": {"pbx": trunk}})
        decision = decide(invite(), offered, Load(), asked, {}, 0.0)
        if isinstance(decision, Refuse):
            assert (decision.sip_status, decision.reason_code) == (488, expected)
        else:
            said = {result.rule: result.detail for result in decision.trail}["srtp"]
            assert said.startswith(expected)


def test_the_reason_header_names_the_rule(config: Config) -> None:
    refusal = refused(ask(config, load=Load(calls_by_trunk={"pbx": 5})))
    assert refusal.reason_header == 'SIP;cause=503;text="trunk_call_limit"'


def test_rules_are_asked_in_order_and_the_first_to_fail_decides(config: Config) -> None:
    """Everything is wrong at once; put right one thing at a time, the next rule speaks up."""
    empty = TokenBucket(rate_per_s=2, tokens=0, filled_at=0.0)
    full = TokenBucket.full(2, 0.0)
    worst = Load(10, {"pbx": 5}, draining=True, rates=CallRates(empty, {"pbx": empty}))
    better = [
        worst,
        replace(worst, draining=False),
        replace(worst, draining=False, calls=0),
        replace(worst, draining=False, calls=0, calls_by_trunk={}),
        Load(rates=CallRates(full, {"pbx": empty})),
        Load(rates=CallRates(full, {"pbx": full})),
    ]
    refusals = [refused(ask(config, load=load, codecs=("opus",))) for load in better]
    assert [refusal.reason_code for refusal in refusals] == [
        ReasonCode.DRAINING,
        ReasonCode.SERVER_CALL_LIMIT,
        ReasonCode.TRUNK_CALL_LIMIT,
        ReasonCode.SERVER_RATE_LIMIT,
        ReasonCode.TRUNK_RATE_LIMIT,
        ReasonCode.NO_COMMON_CODEC,
    ]
    for earlier, later in pairwise(refusals):
        assert len(later.trail) > len(earlier.trail)
        assert [result.passed for result in later.trail].count(False) == 1
