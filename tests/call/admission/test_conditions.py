"""Conditions of routes.yaml: which calls fit a rule, and what the trail tells."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.call.admission.decision import Refuse
from sipagent.call.admission.incoming import decide
from sipagent.call.admission.question import Load
from sipagent.errors import ReasonCode
from sipagent.sip.messages import IncomingInvite, OfferedAudio
from tests.call.admission.decided import admitted, refused
from tests.call.admission.routed import CARRIER, DOWN, SUNDAY, ask, configured, invite
from tests.call.fake_sip import PBX

X_VIP = ("X-Priority", "vip; since=2020")
CLAIMS = base64.urlsafe_b64encode(b'{"attest": "B"}').decode().rstrip("=")
PASSPORT = f"e30.{CLAIMS}.sig;info=<https://cert.example>"
FITTING: list[tuple[dict[str, Any], dict[str, Any], Load | None]] = [
    ({}, {}, None),
    ({"trunk": "pbx"}, {}, None),
    ({"trunk": ["carrier", "pbx"]}, {}, None),
    ({"called": "+442071234567"}, {}, None),
    ({"called": "+4420*"}, {}, None),
    ({"called": "*"}, {"to": ""}, None),
    ({"called": "~\\+44(20|161)\\d+"}, {}, None),
    ({"called": ["1", "2", "+44*"]}, {}, None),
    ({"caller": "+15550001"}, {}, None),
    ({"caller": "anonymous"}, {"caller": "anonymous"}, None),
    ({"caller": "anonymous"}, {"caller": "Restricted"}, None),
    ({"header": {"x-priority": "vip*"}}, {"headers": [X_VIP]}, None),
    ({"header": {"X-Priority": "~.*since=\\d+"}}, {"headers": [("X-Priority", "no"), X_VIP]}, None),
    ({"hours": "office"}, {}, None),
    ({"hours": "not office"}, {}, Load(wall=SUNDAY)),
    ({"load": {"above": 0.8}}, {}, Load(calls=9)),
    ({"load": {"above": 0.5, "of": "trunk"}}, {}, Load(calls_by_trunk={"pbx": 3})),
    ({"load": {"above": 0.5, "of": "workers"}}, {}, Load(workers=0.51)),
    ({"backend": {"down": "night"}}, {}, Load(backends={"night": DOWN})),
    ({"backend": {"up": "sales"}}, {}, Load(backends={"echo": DOWN})),
    ({"trunk": "pbx", "called": "+44*", "caller": "+1*", "hours": "office"}, {}, None),
    ({"verstat": "TN-Validation-Passed*"}, {"caller": "+1;verstat=TN-Validation-Passed-A"}, None),
    ({"verstat": "none", "attestation": "none"}, {}, None),
    ({"attestation": ["A", "B"]}, {"headers": [("Identity", PASSPORT)]}, None),
]
NOT_FITTING: list[tuple[dict[str, Any], dict[str, Any], Load | None, str]] = [
    ({"trunk": "carrier"}, {}, None, "trunk is pbx"),
    ({"called": "+44"}, {}, None, "called +442071234567 doesn't match +44"),
    ({"called": ["1", "~44"]}, {}, None, "doesn't match 1 or ~44"),
    ({"caller": "anonymous"}, {}, None, "caller +15550001 doesn't match anonymous"),
    ({"header": {"X-Priority": "*"}}, {}, None, "there is no header X-Priority"),
    (
        {"header": {"X-Priority": "low"}},
        {"headers": [X_VIP]},
        None,
        "X-Priority vip; since=2020 doesn't match low",
    ),
    ({"hours": "not office"}, {}, None, "office: Mon 2026-06-15 12:00 UTC is within 09:00-17:00"),
    ({"hours": "office"}, {}, Load(wall=SUNDAY), "office: Sun 2026-06-14 12:00 UTC is outside the hours"),
    ({"load": {"above": 0.8}}, {}, Load(calls=8), "8 of 10 calls, not above 80%"),
    ({"load": {"above": 0, "of": "workers"}}, {}, None, "media workers have not reported"),
    ({"backend": {"down": "night"}}, {}, None, "backend of night is up"),
    ({"verstat": "TN-*"}, {}, None, "verstat none doesn't match TN-*"),
    ({"attestation": "A"}, {"headers": [("Identity", PASSPORT)]}, None, "attestation is B"),
    ({"trunk": "pbx", "called": "1"}, {}, None, "called +442071234567 doesn't match 1"),
]


@pytest.mark.parametrize(("when", "call", "load"), FITTING)
def test_a_call_that_fits(when: dict[str, Any], call: dict[str, Any], load: Load | None) -> None:
    decision = admitted(ask(configured({"when": when, "agent": "sales"}), invite(**call), load))
    assert (decision.agent.name, decision.route) == ("sales", "pbx/r1 -> sales")
    fitted = next(result for result in decision.trail if result.rule == "route:r1")
    assert fitted.passed
    assert fitted.detail


@pytest.mark.parametrize(("when", "call", "load", "why"), NOT_FITTING)
def test_a_call_that_does_not_fit(
    when: dict[str, Any], call: dict[str, Any], load: Load | None, why: str
) -> None:
    decision = refused(ask(configured({"when": when, "agent": "sales"}), invite(**call), load))
    assert decision.reason_code is ReasonCode.NUMBER_UNKNOWN
    said = next(result for result in decision.trail if result.rule == "route:r1")
    assert not said.passed
    assert why in said.detail


def test_a_trunk_without_a_limit_of_its_own_is_never_loaded() -> None:
    config = configured({"when": {"load": {"above": 0, "of": "trunk"}}, "agent": "sales"})
    decision = admitted(ask(config, invite(source=CARRIER), Load(calls_by_trunk={"carrier": 7})))
    assert decision.agent.name == "echo"


RULES = [
    {"when": when, **action}
    for when, action in zip(
        [when for when, *_ in FITTING] + [when for when, *_ in NOT_FITTING],
        [
            {"agent": "sales"},
            {"refuse": {"status": 486}},
            {"redirect": {"to": "sip:elsewhere.example"}},
            {"transfer": "+15550100"},
            {"voicemail": "night"},
        ]
        * 10,
        strict=False,
    )
]
anything = st.text(max_size=40)
calls = st.builds(
    invite,
    to=st.sampled_from(["100", "+442071234567", ""]) | anything,
    caller=st.sampled_from(["+15550001", "anonymous", ""]) | anything,
    source=st.sampled_from([PBX, CARRIER, "203.0.113.200", "::1", "not an address"]),
    headers=st.lists(st.tuples(st.sampled_from(["X-Priority", "x-other"]) | anything, anything), max_size=3),
)
offers = st.none() | st.builds(OfferedAudio, st.none() | st.lists(anything, max_size=3).map(tuple))
loads = st.builds(
    Load,
    calls=st.integers(0, 12),
    calls_by_trunk=st.dictionaries(st.sampled_from(["pbx", "carrier"]), st.integers(0, 6)),
    draining=st.booleans(),
    wall=st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.just(UTC)),
    workers=st.none() | st.floats(0, 1),
    backends=st.dictionaries(st.sampled_from(["echo", "sales", "night"]), st.just(DOWN)),
)


@given(call=calls, offered=offers, load=loads, chosen=st.lists(st.sampled_from(RULES), max_size=6))
def test_every_call_gets_one_decision_and_always_the_same(
    call: IncomingInvite, offered: OfferedAudio | None, load: Load, chosen: list[dict[str, Any]]
) -> None:
    config = configured(*chosen)
    decision = decide(call, offered, load, config, {}, 10.0)
    assert decision == decide(call, offered, load, config, {}, 10.0)
    assert decision.trail
    last = decision.trail[-1]
    assert last.passed or isinstance(decision, Refuse)
    if isinstance(decision, Refuse):
        assert 400 <= decision.sip_status < 700
        assert decision.detail
    named = [result.rule for result in decision.trail]
    assert len(named) == len(set(named))
