"""Who may call, and whom the call reaches: one pure decision, for live calls and for `route-test` alike.

Checks and routes are asked in order, and the first that says no refuses the call. The trail tells what each
of them said. Nothing is counted here: whoever admits a call holds its permit and replaces `Load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sipagent.call.admission.checks import (
    BEFORE_ANSWER,
    BEFORE_ROUTE,
    InboundCheck,
    spent_budget,
    who_answers,
)
from sipagent.call.admission.decision import (
    Admit,
    Decision,
    Redirect,
    Refuse,
    RuleResult,
    ToAgent,
    ToTransfer,
    Trail,
)
from sipagent.call.admission.origin import Sources, trunk_of
from sipagent.call.admission.question import Load, No, Question
from sipagent.call.admission.routing import Route, route
from sipagent.config import Config
from sipagent.config.routes import RedirectAction, RefuseAction
from sipagent.errors import ReasonCode
from sipagent.sip.identity import identified
from sipagent.sip.messages import IncomingInvite, OfferedAudio


def decide(
    invite: IncomingInvite,
    offered: OfferedAudio | None,
    load: Load,
    config: Config,
    registered_sources: Sources,
    now: float,
) -> Decision:
    """Admit, redirect or refuse an INVITE.

    `offered` is the audio in its offer, None for a late offer.
    `registered_sources` holds, per trunk that is registered, the addresses of its registrar and proxy.
    `now` is CLOCK_MONOTONIC; what time it is for people stands in `load`.
    """
    trunk = trunk_of(invite, config, registered_sources)
    if trunk is None:
        detail = f"no trunk lists {invite.source_ip} over {invite.transport}"
        return _refused(No(403, ReasonCode.TRUNK_UNKNOWN, detail), "trunk", None, ())

    if invite.caller is None:
        invite = identified(invite, trunk.caller_id)
    question = Question(invite, offered, load, config, trunk, now)
    told = f"{trunk.name} takes {invite.source_ip} over {invite.transport}"
    trail, refusal = _ask(BEFORE_ROUTE, question, (RuleResult("trunk", True, told),))
    if refusal is not None:
        return refusal
    said, found = route(question)
    trail += said
    if isinstance(found, No):
        return _refused(found, "number", question, trail)
    match found.action:
        case RefuseAction():
            return _refused_by_rule(found.name, found.action, question, trail)
        case RedirectAction():
            name = f"{trunk.name}/{found.name}"
            return Redirect(found.action.status, found.action.to, trunk, name, trail)
        case ToAgent() | ToTransfer() as action:
            return _admitted(found, action, question, trail)


def _admitted(found: Route, action: ToAgent | ToTransfer, question: Question, trail: Trail) -> Decision:
    answering = who_answers(action.agent, question)
    if isinstance(answering, No):
        return _refused(answering, "backend", question, trail)
    agent, told = answering
    trail += (RuleResult("backend", True, told),)
    trail, refusal = _ask(
        {"budget": lambda asked: spent_budget(asked, agent.name), **BEFORE_ANSWER}, question, trail
    )
    if refusal is not None:
        return refusal
    target = f" -> {action.target}" if isinstance(action, ToTransfer) else ""
    name = f"{question.trunk.name}/{found.name} -> {agent.name}{target}"
    return Admit(question.trunk, replace(action, agent=agent), name, trail)


def _ask(checks: Mapping[str, InboundCheck], question: Question, trail: Trail) -> tuple[Trail, Refuse | None]:
    for name, check in checks.items():
        answer = check(question)
        if isinstance(answer, No):
            return trail, _refused(answer, name, question, trail)
        trail += (RuleResult(name, True, answer),)
    return trail, None


def _refused(no: No, rule: str, question: Question | None, trail: Trail) -> Refuse:
    trail += (RuleResult(rule, False, no.detail),)
    trunk = question.trunk if question else None
    return Refuse(no.sip_status, no.reason_code, no.detail, no.retry_after_s, trunk, trail)


def _refused_by_rule(name: str, action: RefuseAction, question: Question, trail: Trail) -> Refuse:
    detail = f"rule {name}: {trail[-1].detail}"
    return Refuse(
        action.status,
        ReasonCode.ROUTE_REFUSED,
        detail,
        action.retry_after_s,
        question.trunk,
        trail,
        route=name,
        phrase=action.reason,
    )
