"""Rules of routes.yaml: what becomes of a call, by its rule, its caller and the backends."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.call.admission.backend_health import BackendHealth
from sipagent.call.admission.decision import Redirect, ToAgent, ToTransfer
from sipagent.call.admission.question import Load
from sipagent.config import CallerIdConfig
from sipagent.config.fallback import FallbackConfig
from sipagent.errors import ReasonCode
from tests.call.admission.decided import admitted, refused
from tests.call.admission.routed import DOWN, SUNDAY, ask, configured, invite


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
