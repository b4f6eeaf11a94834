"""Who may be handed on where, and how: from configuration and wishes to a plan."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.call.transfer.plan import Forbidden, Wishes, plan_of, whisperer
from sipagent.config import AgentConfig, TrunkConfig

TEMPLATE = "sip:{number}@carrier.example"


def trunk(name: str = "carrier", **policy: Any) -> TrunkConfig:
    transfer = {"uri_template": TEMPLATE} | policy
    return TrunkConfig.model_validate(
        {"name": name, "allowed_addresses": ["192.0.2.1"], "transfer": transfer}
    )


def wishes(target: str = "sales", over: TrunkConfig | None = None, **others: Any) -> Wishes:
    agent = {
        "name": "receptionist",
        "backend": {"kind": "echo"},
        "transfers": {"sales": {"to": "+1 (555) 12-34"} | others.pop("sales", {})},
    }
    carrier = over or trunk()
    defaults: dict[str, Any] = {
        "how": None, "summary": "wants a bicycle", "is_configured": False, "caller": "+15559999"
    }  # fmt: skip
    trunks = {carrier.name: carrier, "other": trunk("other", uri_template="sip:{digits}@other.example")}
    return Wishes(
        target=target,
        trunk=carrier,
        agent=AgentConfig.model_validate(agent),
        trunks=trunks,
        **(defaults | others),
    )


def test_a_name_becomes_the_uri_that_the_trunk_wants() -> None:
    plan, route = plan_of(wishes())
    assert (plan.name, plan.number, plan.how, plan.can_bridge) == ("sales", "+15551234", "refer", True)
    assert route.refer_to == route.uri == "sip:+15551234@carrier.example"


def test_a_refer_to_may_be_a_tel_uri_where_calls_are_not() -> None:
    _, route = plan_of(wishes(over=trunk(refer_to_template="tel:{number}")))
    assert (route.refer_to, route.uri) == ("tel:+15551234", "sip:+15551234@carrier.example")


def test_the_human_may_be_called_over_another_trunk() -> None:
    plan, route = plan_of(wishes(sales={"trunk": "other", "how": "bridge"}))
    assert plan.how == "bridge"
    assert (route.trunk.name, route.uri) == ("other", "sip:15551234@other.example")


def test_without_template_a_registrar_or_proxy_is_asked() -> None:
    registered = TrunkConfig.model_validate(
        {"name": "p", "registration": {"registrar": "sip:sip.provider.example:5070", "username": "u"}}
    )
    assert plan_of(wishes(over=registered))[1].uri == "sip:+15551234@sip.provider.example:5070"
    peer = TrunkConfig.model_validate({"name": "p", "allowed_addresses": ["192.0.2.1"]})
    with pytest.raises(Forbidden, match="how to call a number"):
        plan_of(wishes(over=peer))


@pytest.mark.parametrize(
    ("how", "knows_refer", "planned"),
    [
        (None, True, ("refer", True)),
        (None, False, ("bridge", False)),
        ("refer", False, ("refer", False)),
        ("attended", True, ("attended", False)),
        ("bridge", True, ("bridge", False)),
    ],
)
def test_how_it_goes(how: Any, knows_refer: bool, planned: tuple[str, bool]) -> None:
    plan, _ = plan_of(wishes(how=how, over=trunk(refer=knows_refer)))
    assert (plan.how, plan.can_bridge) == planned


@pytest.mark.parametrize(
    ("target", "allowed", "is_configured", "may"),
    [
        ("+15550001", ["+1555*"], False, True),
        ("+1 555 0001", ["+1555*"], False, True),
        ("+15550001", [], False, False),
        ("+9990001", ["+1555*"], False, False),
        ("+9990001", [], True, True),
        ("sip:bob@elsewhere.example", ["+1555*"], False, False),
        ("sip:bob@elsewhere.example", ["sip:bob@elsewhere.example"], False, True),
        ("support", ["+1555*"], False, False),
        ("support", [], True, False),
        ("+1555@elsewhere.example;x=", ["+1555*"], False, False),
        ("+1555?Replaces=x", ["+1555*"], False, False),
        ("+1555>", ["+1555*"], False, False),
        ("", ["*"], False, False),
    ],
)
def test_nobody_is_handed_on_to_whom_the_operator_does_not_know(
    target: str, allowed: list[str], is_configured: bool, may: bool
) -> None:
    over = trunk(allowed=allowed) if allowed else trunk()
    asked = wishes(target, over=over, is_configured=is_configured)
    if may:
        assert plan_of(asked)[1].refer_to
    else:
        with pytest.raises(Forbidden):
            plan_of(asked)


def test_a_whisper_tells_the_human_what_it_is_about() -> None:
    asked = wishes(sales={"whisper": "A call from {caller}: {summary}."})
    _, route = plan_of(asked)
    assert route.whisper == "A call from +15559999: wants a bicycle."
    speaker = whisperer(asked.agent, route)
    assert speaker.greeting == route.whisper
    assert route.briefs


def test_without_whisper_nobody_speaks_first() -> None:
    assert not plan_of(wishes())[1].briefs
