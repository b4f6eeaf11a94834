"""Whether a call may be placed, and who talks in it: what `incoming` is to calls that come in. Pure.

Nothing is counted here: whoever places the call holds its permit and replaces `Load`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sipagent.call.admission.checks import CAPACITY, Check, draining, spent_budget, who_answers
from sipagent.call.admission.decision import Admit, Refuse, RuleResult, ToAgent, Trail
from sipagent.call.admission.question import Load, No
from sipagent.call.origination import Origination
from sipagent.config import AgentConfig, Config, TrunkConfig
from sipagent.errors import ReasonCode

_NAME = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Wish:
    """A call over a known trunk, and everything that a check may look at."""

    load: Load
    config: Config
    trunk: TrunkConfig
    now: float


def decide(origination: Origination, load: Load, config: Config, now: float) -> Admit | Refuse:
    """Admit or refuse a call of ours, at a time of CLOCK_MONOTONIC."""
    trunk, agent = config.trunks.get(origination.trunk), config.agents.get(origination.agent)
    if trunk is None:
        no = No(404, ReasonCode.TRUNK_UNKNOWN, f"there is no trunk '{origination.trunk}'")
        return _refused(no, "trunk", None, ())
    if agent is None:
        no = No(404, ReasonCode.AGENT_UNKNOWN, f"there is no agent '{origination.agent}'")
        return _refused(no, "agent", trunk, ())
    return _judged(Wish(load, config, trunk, now), agent)


def with_variables(agent: AgentConfig, variables: Mapping[str, str]) -> AgentConfig:
    """The agent as it talks in this call: `{name}` in its instructions and greeting stands for a variable."""
    texts = {"instructions": agent.instructions, "greeting": agent.greeting}
    return agent.model_copy(
        update={key: _filled(text, variables) for key, text in texts.items() if text is not None}
    )


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """What a variable holds is never looked into for others."""
    return _NAME.sub(lambda found: variables.get(found[1], found[0]), text)


def _judged(wish: Wish, agent: AgentConfig) -> Admit | Refuse:
    trail: Trail = ()
    answers = who_answers(agent, wish)
    if isinstance(answers, No):
        return _refused(answers, "backend", wish.trunk, trail)
    agent, told = answers
    trail = (RuleResult("backend", True, told),)
    checks: Mapping[str, Check] = {
        "draining": draining,
        "budget": lambda asked: spent_budget(asked, agent.name),
        **CAPACITY,
    }
    for name, check in checks.items():
        said = check(wish)
        if isinstance(said, No):
            return _refused(said, name, wish.trunk, trail)
        trail += (RuleResult(name, True, said),)
    return Admit(wish.trunk, ToAgent(agent), f"{wish.trunk.name} -> {agent.name}", trail)


def _refused(no: No, rule: str, trunk: TrunkConfig | None, trail: Trail) -> Refuse:
    trail += (RuleResult(rule, False, no.detail),)
    return Refuse(no.sip_status, no.reason_code, no.detail, no.retry_after_s, trunk, trail)
