"""What a call must pass besides its route, each check one pure function: who calls, how many, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

from sipagent.call.admission.question import No, Occasion, Question
from sipagent.call.admission.rates import TokenBucket
from sipagent.config import AgentConfig, CallersConfig
from sipagent.cost.budget import payers
from sipagent.errors import ReasonCode, SdpError
from sipagent.sip.crypto import codecs_to_take, wants_srtp

#: What a peer that met a call limit is told to wait; calls end all the time, so not long.
CALL_LIMIT_RETRY_S = 10

Check = Callable[[Occasion], str | No]
InboundCheck = Callable[[Question], str | No]


def draining(question: Occasion) -> str | No:
    if question.load.draining:
        wait_s = question.config.limits.drain_deadline_s
        return No(503, ReasonCode.DRAINING, "the server is shutting down", wait_s)
    return "the server takes calls"


def _server_callers(question: Question) -> str | No:
    return _callers(question.config.callers, question.caller)


def _trunk_callers(question: Question) -> str | No:
    return _callers(question.trunk.callers, question.caller)


def _callers(lists: CallersConfig, caller: str) -> str | No:
    if (blocked := lists.block.match(caller)) is not None:
        return No(lists.status, ReasonCode.CALLER_BLOCKED, f"{caller} is blocked by {blocked}")
    if not lists.allow.texts:
        return f"{caller} is not blocked"
    if (allowed := lists.allow.match(caller)) is not None:
        return f"{caller} is allowed by {allowed}"
    return No(lists.status, ReasonCode.CALLER_NOT_ALLOWED, f"{caller} is not among those allowed")


def _server_calls(question: Occasion) -> str | No:
    calls, most = question.load.calls, question.config.limits.max_calls
    detail = f"{calls} of {most} calls of the server"
    if calls >= most:
        return No(503, ReasonCode.SERVER_CALL_LIMIT, detail, CALL_LIMIT_RETRY_S)
    return detail


def _trunk_calls(question: Occasion) -> str | No:
    trunk = question.trunk
    calls = question.load.calls_by_trunk.get(trunk.name, 0)
    if trunk.max_calls is None:
        return f"{calls} calls over {trunk.name}, which has no limit of its own"
    detail = f"{calls} of {trunk.max_calls} calls over {trunk.name}"
    if calls >= trunk.max_calls:
        return No(503, ReasonCode.TRUNK_CALL_LIMIT, detail, CALL_LIMIT_RETRY_S)
    return detail


def _server_rate(question: Occasion) -> str | No:
    rates = question.load.rates
    return _rate(rates.server if rates else None, question.now, ReasonCode.SERVER_RATE_LIMIT)


def _trunk_rate(question: Occasion) -> str | No:
    rates = question.load.rates
    bucket = rates.trunks.get(question.trunk.name) if rates else None
    return _rate(bucket, question.now, ReasonCode.TRUNK_RATE_LIMIT)


def _rate(bucket: TokenBucket | None, now: float, reason_code: ReasonCode) -> str | No:
    if bucket is None:
        return "no rate to hold"
    if wait_s := bucket.wait_s(now):
        return No(503, reason_code, f"more than {bucket.rate_per_s:g} calls per second", ceil(wait_s))
    return f"within {bucket.rate_per_s:g} calls per second"


def _srtp(question: Question) -> str | No:
    offered, policy = question.offered, question.trunk.srtp
    if offered is None:
        return f"late offer: ours will be {'SRTP' if policy == 'required' else 'plain RTP'}"
    try:
        secure = wants_srtp(offered, policy)
    except SdpError as error:
        return No(error.sip_status, error.reason_code, str(error))
    return f"{offered.suites[0] if secure else 'plain RTP'}, SRTP is {policy}"


def _codec(question: Question) -> str | No:
    if question.offered is None:
        return "late offer: ours will name the codecs"
    offered = {codec.upper() for codec in codecs_to_take(question.offered, question.trunk.srtp)}
    common = [codec for codec in question.trunk.codecs if codec in offered]
    if not common:
        detail = f"offered {', '.join(sorted(offered)) or 'nothing'}; {question.trunk.name} speaks "
        return No(488, ReasonCode.NO_COMMON_CODEC, detail + ", ".join(question.trunk.codecs))
    return f"{common[0]} is the best of {', '.join(common)}"


def spent_budget(occasion: Occasion, agent: str) -> str | No:
    """Is there money for a call of this agent?"""
    for payer in payers(agent, occasion.trunk.name):
        if (exceeded := occasion.load.exceeded.get(payer)) is not None:
            return No(exceeded.budget.sip_status, ReasonCode.BUDGET_EXCEEDED, str(exceeded))
    return "no budget is spent"


def who_answers(agent: AgentConfig, occasion: Occasion) -> tuple[AgentConfig, str] | No:
    """Who talks, for an agent whose backend may be down: the next of its fallback who is up.

    Where another kind of step comes first, it talks itself all the same: its fallback goes on from there.
    """
    load, now = occasion.load, occasion.now
    if not load.backend_is_down(agent.name, now):
        return agent, f"nothing is known against that of {agent.name}"
    health = load.backends[agent.name]
    down = f"that of {agent.name} has failed {health.failures} times, last with {health.cause}"
    steps = agent.fallback.steps
    for step in steps:
        if step.who is None:
            break
        if not load.backend_is_down(step.who, now):
            return occasion.config.agents[step.who], f"{down}: {step.who} of its fallback answers"
    if steps:
        return agent, f"{down}: it has a fallback"
    return No(503, ReasonCode.BACKEND_DOWN, down, ceil(health.wait_s(now)))


#: What a call takes of the server and its trunk, whichever way it goes.
CAPACITY: Mapping[str, Check] = {
    "server_calls": _server_calls,
    "trunk_calls": _trunk_calls,
    "server_rate": _server_rate,
    "trunk_rate": _trunk_rate,
}
#: Asked of every call of a trunk, in order.
BEFORE_ROUTE: Mapping[str, InboundCheck] = {
    "draining": draining,
    "server_callers": _server_callers,
    "trunk_callers": _trunk_callers,
}
#: Asked of a call that is to be answered.
BEFORE_ANSWER: Mapping[str, InboundCheck] = {
    **CAPACITY,
    "srtp": _srtp,
    "codec": _codec,
}
