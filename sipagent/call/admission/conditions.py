"""What a rule of `routes.yaml` asks of a call, each condition one pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sipagent.call.admission.hours import is_open
from sipagent.call.admission.question import Question
from sipagent.config.patterns import Patterns
from sipagent.config.routes import When

#: Whether it holds and how that comes; None for what the rule doesn't ask.
Answer = tuple[bool, str] | None


def fits(when: When, question: Question) -> tuple[bool, str]:
    """Do all conditions hold? And which didn't, or how they did."""
    reasons = []
    for condition in CONDITIONS:
        answer = condition(when, question)
        if answer is not None and not answer[0]:
            return answer
        if answer is not None:
            reasons.append(answer[1])
    return True, "; ".join(reasons) or "every call"


def _trunk(when: When, question: Question) -> Answer:
    if not when.trunk:
        return None
    name = question.trunk.name
    return name in when.trunk, f"trunk is {name}"


def _called(when: When, question: Question) -> Answer:
    return None if when.called is None else _match("called", when.called, question.called)


def _caller(when: When, question: Question) -> Answer:
    return None if when.caller is None else _match("caller", when.caller, (question.caller,))


def _header(when: When, question: Question) -> Answer:
    if not when.header:
        return None
    reasons = []
    for name, patterns in when.header.items():
        wanted = name.lower()
        values = tuple(value for key, value in question.invite.headers if key.lower() == wanted)
        if not values:
            return False, f"there is no header {name}"
        holds, reason = _match(name, patterns, values)
        if not holds:
            return False, reason
        reasons.append(reason)
    return True, "; ".join(reasons)


def _match(what: str, patterns: Patterns, texts: tuple[str, ...]) -> tuple[bool, str]:
    for text in texts:
        if (pattern := patterns.match(text)) is not None:
            return True, f"{what} is {text}" if pattern == text else f"{what} {text} matches {pattern}"
    return False, f"{what} {texts[0] or '(none)'} doesn't match {patterns}"


def _hours(when: When, question: Question) -> Answer:
    if when.hours is None:
        return None
    name = when.hours.removeprefix("not ")
    is_in, reason = is_open(question.config.routes.calendars[name], question.load.wall)
    return is_in == (name == when.hours), f"{name}: {reason}"


def _load(when: When, question: Question) -> Answer:
    if when.load is None:
        return None
    taken, told = _share(when.load.of, question)
    if taken is None:
        return False, told
    above = taken > when.load.above
    return above, f"{told}, {'above' if above else 'not above'} {when.load.above:.0%}"


def _share(of: str, question: Question) -> tuple[float | None, str]:
    load, trunk = question.load, question.trunk
    if of == "workers":
        told = (
            "media workers have not reported"
            if load.workers is None
            else f"media workers at {load.workers:.0%}"
        )
        return load.workers, told
    if of == "calls":
        calls, most = load.calls, question.config.limits.max_calls
        return calls / most, f"{calls} of {most} calls"
    calls = load.calls_by_trunk.get(trunk.name, 0)
    if trunk.max_calls is None:
        return None, f"{trunk.name} has no max_calls"
    return calls / trunk.max_calls, f"{calls} of {trunk.max_calls} calls over {trunk.name}"


def _backend(when: When, question: Question) -> Answer:
    if when.backend is None:
        return None
    agent = when.backend.down or when.backend.up
    assert agent is not None
    is_down = question.backend_is_down(agent)
    return is_down == (when.backend.down is not None), f"backend of {agent} is {'down' if is_down else 'up'}"


def _verstat(when: When, question: Question) -> Answer:
    if when.verstat is None:
        return None
    return _match("verstat", when.verstat, (str(_stir(question).get("verstat") or "none"),))


def _attestation(when: When, question: Question) -> Answer:
    if not when.attestation:
        return None
    claims = _stir(question).get("unverified") or {}
    attestation = claims.get("attestation") or "none"
    return attestation in when.attestation, f"attestation is {attestation}"


def _stir(question: Question) -> Mapping[str, Any]:
    caller = question.invite.caller
    return (caller.stir if caller else None) or {}


CONDITIONS: tuple[Callable[[When, Question], Answer], ...] = (
    _trunk,
    _called,
    _caller,
    _header,
    _hours,
    _load,
    _backend,
    _verstat,
    _attestation,
)
