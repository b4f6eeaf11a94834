"""What stands in `routes.yaml`: calendars, and rules that say what becomes of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    model_validator,
)

from sipagent.config.agent import AgentConfig, PromptConfig, VoicemailConfig
from sipagent.config.calendars import CalendarConfig
from sipagent.config.patterns import SomePatterns, one_or_more
from sipagent.config.values import Section

#: What a rule may do with a call; each has exactly one.
ACTIONS = ("agent", "refuse", "redirect", "prompt", "voicemail", "transfer")

_TARGET = re.compile(r"(sips?|tel):[^\s<>\"]+", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _target(uri: str) -> str:
    if not _TARGET.fullmatch(uri):
        raise ValueError("must be a URI such as 'sip:+15550100@pbx.example' or 'tel:+15550100'")
    return uri


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("is no name of a header")
    return name


def _phrase(text: str) -> str:
    if not text.isprintable() or '"' in text or "\\" in text:
        raise ValueError("must be one line without quotation marks and backslashes")
    return text


Names = Annotated[tuple[str, ...], BeforeValidator(one_or_more)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Share = Annotated[float, Field(ge=0, le=1)]


class LoadCondition(Section):
    """More than this share of a limit is taken: for `calls` of limits.max_calls, for `trunk` of the trunk's
    max_calls, for `workers` of the CPU time that media workers can have.
    """

    above: Share
    of: Literal["calls", "trunk", "workers"] = "calls"


class BackendCondition(Section):
    """How the backend of an agent is: one that has kept failing is `down`."""

    down: str | None = None
    up: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.down is None) == (self.up is None):
            raise ValueError("write either down or up, with the name of an agent")
        return self


class When(Section):
    """All of these must hold; what isn't written doesn't matter. `hours` names a calendar, or `not` one.

    `verstat` and `attestation` are STIR/SHAKEN as the peer tells it, `none` if it doesn't: nobody here
    verifies a signature.
    """

    trunk: Names = ()
    called: SomePatterns | None = None
    caller: SomePatterns | None = None
    header: Mapping[HeaderName, SomePatterns] = {}
    hours: Annotated[str, Field(pattern=r"^(not )?[\w.-]+$")] | None = None
    load: LoadCondition | None = None
    backend: BackendCondition | None = None
    verstat: SomePatterns | None = None
    attestation: Annotated[tuple[Literal["A", "B", "C", "none"], ...], BeforeValidator(one_or_more)] = ()


class RefuseAction(Section):
    """A final answer. `reason` is what the peer reads after the status."""

    status: Annotated[int, Field(ge=400, le=699)] = 603
    reason: Annotated[str, Field(max_length=80), AfterValidator(_phrase)] = ""
    retry_after_s: PositiveInt | None = None


class RedirectAction(Section):
    """A 3xx that tells the peer where to call instead, best first (RFC 3261 section 21.3)."""

    to: Annotated[
        tuple[Annotated[str, AfterValidator(_target)], ...], BeforeValidator(one_or_more), Field(min_length=1)
    ]
    status: Literal[300, 301, 302, 305, 380] = 302


class TransferAction(Section):
    """The call is answered and handed on. `agent` takes it back if that fails; null: that of the number."""

    to: Annotated[str, Field(min_length=1)]
    agent: str | None = None


def _name_or_inline(value: object) -> str:
    return "inline" if isinstance(value, (Mapping, Section)) else "name"


NameOrPrompt = Annotated[
    Annotated[str, Tag("name")] | Annotated[PromptConfig, Tag("inline")], Discriminator(_name_or_inline)
]
NameOrVoicemail = Annotated[
    Annotated[str, Tag("name")] | Annotated[VoicemailConfig, Tag("inline")], Discriminator(_name_or_inline)
]


def _long_transfer(value: Any) -> Any:
    return {"to": value} if isinstance(value, str) else value


class RouteRule(Section):
    """What is done with a call that fits. `prompt` and `voicemail` name such an agent, or are its backend."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    when: When = When()
    agent: str | None = None
    refuse: RefuseAction | None = None
    redirect: RedirectAction | None = None
    prompt: NameOrPrompt | None = None
    voicemail: NameOrVoicemail | None = None
    transfer: Annotated[TransferAction, BeforeValidator(_long_transfer)] | None = None

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if sum(getattr(self, action) is not None for action in ACTIONS) != 1:
            raise ValueError(f"needs exactly one of {', '.join(ACTIONS)}")
        return self

    @property
    def local_agent(self) -> AgentConfig | None:
        """The agent that an inline prompt or voicemail comes to. A message is taken in its recording."""
        backend = self.prompt or self.voicemail
        if not isinstance(backend, (PromptConfig, VoicemailConfig)):
            return None
        return AgentConfig(name=self.name, backend=backend, record=isinstance(backend, VoicemailConfig))


class RoutesConfig(Section):
    """The contents of `routes.yaml`. Rules are asked in order, before the `numbers` of the trunk."""

    calendars: Mapping[Annotated[str, Field(pattern=r"^[\w.-]+$")], CalendarConfig] = {}
    rules: tuple[RouteRule, ...] = ()
