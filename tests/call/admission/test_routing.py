"""Rules of routes.yaml: which one a call fits, what becomes of it, and what the trail tells."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.call.admission.backend_health import BackendHealth
from sipagent.call.admission.decision import Admit, Decision, Redirect, Refuse, ToAgent, ToTransfer
from sipagent.call.admission.incoming import decide
from sipagent.call.admission.question import Load
from sipagent.config import CallerIdConfig, Config
from sipagent.config.fallback import FallbackConfig
from sipagent.errors import ReasonCode
from sipagent.sip.messages import IncomingInvite, OfferedAudio

PBX, CARRIER = "192.0.2.1", "198.51.100.5"
NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)  # a Monday
SUNDAY = datetime(2026, 6, 14, 12, 0, tzinfo=UTC)
DOWN = BackendHealth(failures=3, down_since=0.0, try_at=30.0, cause="backend_unreachable")
OFFERED = OfferedAudio(("PCMU",))


def configured(*rules: Mapping[str, Any], **top: Any) -> Config:
    trunks = {
        "pbx": {"allowed_addresses": [PBX], "numbers": {"100": "echo"}, "max_calls": 5},
        "carrier": {"allowed_addresses": [CARRIER], "numbers": {"*": "echo"}},
    }
    hours = {"time_zone": "UTC", "hours": {"mon-fri": "09:00-17:00"}}
    return Config.model_validate(
        {
            "limits": {"max_calls": 10, "max_calls_per_second": 100},
            "trunks": {name: {"name": name, **trunk} for name, trunk in trunks.items()},
            "agents": {
                name: {"name": name, "backend": {"kind": "echo"}} for name in ("echo", "sales", "night")
            },
            "routes": {
                "calendars": {"office": hours},
                "rules": [{"name": f"r{n}"} | dict(rule) for n, rule in enumerate(rules, start=1)],
            },
        }
        | top
    )


def invite(
    to: str = "+442071234567", caller: str = "+15550001", source: str = PBX, headers: Any = ()
) -> IncomingInvite:
    return IncomingInvite(
        sip_call_id="c1",
        source_ip=source,
        source_port=5060,
        transport="udp",
        request_uri=f"sip:{to}@203.0.113.1",
        from_uri=f'"Caller" <sip:{caller}@192.0.2.1>;tag=1',
        to_uri=f"<sip:{to}@203.0.113.1>",
        headers=tuple(headers),
    )


def ask(config: Config, request: IncomingInvite | None = None, load: Load | None = None) -> Decision:
    return decide(request or invite(), OFFERED, load or Load(wall=NOON), config, {}, 0.0)


def admitted(decision: Decision) -> Admit:
    assert isinstance(decision, Admit), decision
    return decision


def refused(decision: Decision) -> Refuse:
    assert isinstance(decision, Refuse), decision
    return decision


# --- conditions -------------------------------------------------------------------------------------

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


# --- actions ----------------------------------------------------------------------------------------


def test_the_first_rule_that_fits_decides_and_the_numbers_come_last() -> None:
    config = configured(
        {"when": {"called": "100"}, "agent": "night"},
        {"when": {"called": "1*"}, "agent": "sales"},
    )
    assert admitted(ask(config, invite("100"))).route == "pbx/r1 -> night"
    second = admitted(ask(config, invite("101")))
    assert second.action == ToAgent(config.agents["sales"])
    assert [(r.rule, r.passed) for r in second.trail if "route" in r.rule] == [
        ("route:r1", False),
        ("route:r2", True),
    ]
    assert admitted(ask(configured(), invite("100"))).route == "pbx/100 -> echo"


def test_a_rule_refuses_in_its_own_words() -> None:
    rule = {"name": "after-hours", "when": {"hours": "not office"}}
    config = configured(rule | {"refuse": {"status": 480, "reason": "We are closed", "retry_after_s": 600}})
    decision = refused(ask(config, load=Load(wall=SUNDAY)))
    assert (decision.sip_status, decision.phrase, decision.retry_after_s) == (480, "We are closed", 600)
    assert (decision.reason_code, decision.route) == (ReasonCode.ROUTE_REFUSED, "after-hours")
    assert decision.reason_header == 'SIP;cause=480;text="route_refused after-hours"'
    assert decision.detail.startswith("rule after-hours: office: Sun")


def test_a_rule_redirects_even_when_the_server_is_full() -> None:
    to = ["sip:+15550100@overflow.example", "tel:+15550100"]
    config = configured({"when": {"load": {"above": 0.9}}, "redirect": {"to": to, "status": 302}})
    decision = ask(config, invite("100"), Load(calls=10))
    assert isinstance(decision, Redirect)
    assert (decision.sip_status, decision.targets, decision.route) == (302, tuple(to), "pbx/r1")


@pytest.mark.parametrize("action", ["prompt", "voicemail"])
def test_a_rule_plays_a_prompt_or_takes_a_message(action: str) -> None:
    config = configured({action: "night"})
    assert admitted(ask(config)).action == ToAgent(config.agents["night"])


def test_a_rule_may_say_itself_what_is_played_or_how_a_message_is_taken() -> None:
    config = configured(
        {"name": "sorry", "when": {"called": "1*"}, "prompt": {"file": "/sorry.wav", "times": 2}},
        {"name": "after-hours", "voicemail": {"max_s": 60}},
    )
    prompt = admitted(ask(config, invite("100"))).agent
    assert (prompt.name, prompt.backend.kind, prompt.record) == ("sorry", "prompt", False)
    message = admitted(ask(config))
    assert (message.agent.backend.kind, message.agent.record) == ("voicemail", True)
    assert message.route == "pbx/after-hours -> after-hours"


def test_a_caller_that_its_network_names_is_known_by_that_where_the_trunk_says_so() -> None:
    config = configured({"when": {"caller": "+15557"}, "agent": "sales"})
    trusting = config.trunks["pbx"].model_copy(
        update={"caller_id": CallerIdConfig(take_from="p_asserted_identity")}
    )
    call = invite("100", headers=[("P-Asserted-Identity", "<sip:+15557@carrier.example>")])
    assert admitted(ask(config, call)).agent.name == "echo"
    config = config.model_copy(update={"trunks": {"pbx": trusting}})
    assert admitted(ask(config, call)).agent.name == "sales"


def test_a_rule_transfers_and_says_who_takes_the_caller_back() -> None:
    config = configured({"transfer": {"to": "+15550100", "agent": "sales"}})
    decision = admitted(ask(config))
    assert decision.action == ToTransfer("+15550100", config.agents["sales"])
    assert decision.route == "pbx/r1 -> sales -> +15550100"


def test_a_transfer_without_an_agent_goes_to_that_of_the_number() -> None:
    config = configured({"transfer": "+15550100"})
    assert admitted(ask(config, invite("100"))).action == ToTransfer("+15550100", config.agents["echo"])
    assert refused(ask(config)).reason_code is ReasonCode.NUMBER_UNKNOWN


# --- callers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lists", "caller", "code"),
    [
        ({"block": ["+1555*"]}, "+15550001", ReasonCode.CALLER_BLOCKED),
        ({"block": ["anonymous"]}, "anonymous", ReasonCode.CALLER_BLOCKED),
        ({"block": ["+1555*"]}, "+15660001", None),
        ({"allow": ["+15550001", "~00\\d+"]}, "+15550001", None),
        ({"allow": ["+15550001", "~00\\d+"]}, "0044", None),
        ({"allow": ["+15550001"]}, "anonymous", ReasonCode.CALLER_NOT_ALLOWED),
        ({"allow": ["+1*"], "block": ["+15550001"]}, "+15550001", ReasonCode.CALLER_BLOCKED),
    ],
)
@pytest.mark.parametrize("of_trunk", [False, True])
def test_callers(lists: dict[str, Any], caller: str, code: ReasonCode | None, of_trunk: bool) -> None:
    lists = lists | {"status": 403}
    config = configured() if of_trunk else configured(callers=lists)
    if of_trunk:
        trunk = config.trunks["pbx"].model_validate({**config.trunks["pbx"].model_dump(), "callers": lists})
        config = config.model_copy(update={"trunks": {"pbx": trunk}})
    decision = ask(config, invite("100", caller))
    if code is None:
        admitted(decision)
    else:
        refusal = refused(decision)
        assert (refusal.sip_status, refusal.reason_code) == (403, code)
        assert refusal.trail[-1].rule == ("trunk_callers" if of_trunk else "server_callers")


# --- backends ---------------------------------------------------------------------------------------


def test_a_backend_that_is_down_gets_no_calls() -> None:
    decision = refused(ask(configured(), invite("100"), Load(backends={"echo": DOWN})))
    assert (decision.sip_status, decision.reason_code) == (503, ReasonCode.BACKEND_DOWN)
    assert decision.retry_after_s == 30
    assert decision.trail[-1].detail == "that of echo has failed 3 times, last with backend_unreachable"


@pytest.mark.parametrize(
    ("steps", "backends", "agent"),
    [
        ([{"agent": "sales"}, {"agent": "night"}], {"echo": DOWN}, "sales"),
        ([{"agent": "sales"}, {"voicemail": "night"}], {"echo": DOWN, "sales": DOWN}, "night"),
        ([{"goodbye": "/bye.wav"}], {"echo": DOWN}, "echo"),
        ([{"prompt": "/busy.wav"}, {"agent": "sales"}], {"echo": DOWN}, "echo"),
        ([{"agent": "sales"}, {"transfer": "+1"}], {"echo": DOWN, "sales": DOWN}, "echo"),
        ([{"agent": "sales"}], {"sales": DOWN}, "echo"),
    ],
)
def test_an_agents_fallback_answers_for_one_that_is_down(
    steps: list[dict[str, str]], backends: dict[str, BackendHealth], agent: str
) -> None:
    config = configured()
    echo = config.agents["echo"].model_copy(
        update={"fallback": FallbackConfig.model_validate({"steps": steps})}
    )
    config = config.model_copy(update={"agents": config.agents | {"echo": echo}})
    decision = admitted(ask(config, invite("100"), Load(backends=backends)))
    assert (decision.agent.name, decision.route) == (agent, f"pbx/100 -> {agent}")


def test_a_rule_may_send_its_calls_elsewhere() -> None:
    config = configured({"when": {"backend": {"down": "echo"}}, "agent": "night"})
    assert admitted(ask(config, invite("100"), Load(backends={"echo": DOWN}))).agent.name == "night"
    assert admitted(ask(config, invite("100"))).agent.name == "echo"


# --- whatever comes ---------------------------------------------------------------------------------

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
