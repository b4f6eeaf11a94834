"""From what is wanted of a transfer to how it is done, if it is allowed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sipagent.call.numbering import NotDiallable, is_number, uri_of
from sipagent.call.transfer.attempt import Plan
from sipagent.config import AgentConfig, PromptConfig, TransferTargetConfig, TrunkConfig
from sipagent.config.transfer import How, is_uri, plain_number
from sipagent.sip.messages import user_part


class Forbidden(Exception):
    """This transfer is not to be; says why."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Who is to be handed on where. `trunk` is the caller's."""

    target: str
    how: How | None
    summary: str
    is_configured: bool
    caller: str
    trunk: TrunkConfig
    agent: AgentConfig
    trunks: Mapping[str, TrunkConfig]


@dataclass(frozen=True, slots=True)
class Route:
    """The particulars: whom the peer is referred to, and how we would call the human ourselves."""

    refer_to: str
    uri: str
    trunk: TrunkConfig
    whisper: str | None
    whisper_file: Path | None
    wait_file: Path | None
    model_listens: bool

    @property
    def briefs(self) -> bool:
        """Is there something to say to the human first?"""
        return self.whisper is not None or self.whisper_file is not None


def plan_of(wishes: Wishes) -> tuple[Plan, Route]:
    """Raises `Forbidden`."""
    named = wishes.agent.transfers.get(wishes.target)
    if not wishes.target:
        raise Forbidden("nobody is named")
    target = named or TransferTargetConfig(to=wishes.target)
    number = target.to if is_uri(target.to) else plain_number(target.to)
    if named is None and not wishes.is_configured and not wishes.trunk.transfer.allowed.match(number):
        raise Forbidden("nobody may be transferred there")
    if not is_uri(number) and not is_number(number):
        raise Forbidden("that is neither a name that is known nor a number")
    trunk = wishes.trunk if target.trunk is None else wishes.trunks.get(target.trunk)
    if trunk is None:
        raise Forbidden(f"there is no trunk {target.trunk}")
    how, can_bridge = _method(wishes.how or target.how, wishes.trunk)
    policy = wishes.trunk.transfer
    plan = Plan(
        name=wishes.target,
        number=user_part(number) if is_uri(number) else number,
        how=how,
        can_bridge=can_bridge,
        ring_timeout_s=target.ring_timeout_s,
        goodbye_max_s=target.goodbye_max_s,
        outcome_timeout_s=policy.outcome_timeout_s,
        unconfirmed_succeeds=policy.unconfirmed == "succeeded",
        ends_with_human=target.human_hangs_up == "end",
    )
    route = Route(
        refer_to=_uri(number, policy.refer_to_template or wishes.trunk.number_template),
        uri=_uri(number, trunk.number_template),
        trunk=trunk,
        whisper=_whisper(target, wishes),
        whisper_file=target.whisper_file,
        wait_file=target.wait_file,
        model_listens=target.model == "listens",
    )
    return plan, route


def whisperer(agent: AgentConfig, route: Route) -> AgentConfig:
    """Who speaks to the human first: the agent's own voice, with nothing but that to say, or a file."""
    if route.whisper_file is not None:
        backend = PromptConfig(file=route.whisper_file)
        return agent.model_copy(update={"backend": backend, "greeting": None})
    return agent.model_copy(
        update={
            "greeting": route.whisper,
            "instructions": "You put a caller through to a colleague. Say what you are told to say, no more.",
            "transcription": None,
        }
    )


def _method(how: How, trunk: TrunkConfig) -> tuple[Literal["refer", "attended", "bridge"], bool]:
    """How to begin, and whether bridging is the way out."""
    if how != "auto":
        return how, False
    return ("refer", True) if trunk.transfer.refer else ("bridge", False)


def _uri(number: str, template: str | None) -> str:
    try:
        return uri_of(number, template)
    except NotDiallable as why:
        raise Forbidden(str(why)) from None


def _whisper(target: TransferTargetConfig, wishes: Wishes) -> str | None:
    if target.whisper is None:
        return None
    return target.whisper.replace("{summary}", wishes.summary).replace("{caller}", wishes.caller)
