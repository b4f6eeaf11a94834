"""Where a call goes: the rules of `routes.yaml` in order, then the numbers of its trunk. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from sipagent.call.admission.conditions import fits
from sipagent.call.admission.decision import RuleResult, ToAgent, ToTransfer, Trail
from sipagent.call.admission.question import No, Question
from sipagent.config import ANY_NUMBER
from sipagent.config.routes import RedirectAction, RefuseAction, RouteRule, TransferAction
from sipagent.errors import ReasonCode

Action = ToAgent | ToTransfer | RefuseAction | RedirectAction


@dataclass(frozen=True, slots=True)
class Route:
    """What is to be done with a call. `name` is the rule that says so, or the key of the trunk's numbers."""

    name: str
    action: Action


def route(question: Question) -> tuple[Trail, Route | No]:
    """The route of a call, or that there is none, and what each rule said on the way."""
    trail: Trail = ()
    for rule in question.config.routes.rules:
        holds, detail = fits(rule.when, question)
        trail += (RuleResult(f"route:{rule.name}", holds, detail),)
        if holds:
            action = _action(rule, question)
            return trail, action if isinstance(action, No) else Route(rule.name, action)
    answer = _by_number(question)
    if isinstance(answer, No):
        return trail, answer
    said = RuleResult("number", True, f"{_first_called(question)} matches {answer.name}")
    return (*trail, said), answer


def _action(rule: RouteRule, question: Question) -> Action | No:
    if rule.transfer is not None:
        return _transfer(rule.transfer, question)
    if (local := rule.local_agent) is not None:
        return ToAgent(local)
    if isinstance(agent := rule.agent or rule.prompt or rule.voicemail, str):
        return ToAgent(question.config.agents[agent])
    answer = rule.refuse or rule.redirect
    assert answer is not None
    return answer


def _transfer(transfer: TransferAction, question: Question) -> ToTransfer | No:
    if transfer.agent is not None:
        return ToTransfer(transfer.to, question.config.agents[transfer.agent])
    by_number = _by_number(question)
    if isinstance(by_number, No):
        return by_number
    assert isinstance(by_number.action, ToAgent)
    return ToTransfer(transfer.to, by_number.action.agent)


def _by_number(question: Question) -> Route | No:
    trunk, number = question.trunk, question.number
    if number is not None:
        return Route(number, ToAgent(question.config.agents[trunk.numbers[number]]))
    called = _first_called(question)
    near = get_close_matches(called, trunk.numbers, n=1, cutoff=0.6)
    hint = f"; near it is {near[0]}" if near else f"; add it, or '{ANY_NUMBER}' for every number"
    return No(404, ReasonCode.NUMBER_UNKNOWN, f"{called} is not in numbers of {trunk.name}{hint}")


def _first_called(question: Question) -> str:
    return question.called[0] or "(no number)"
