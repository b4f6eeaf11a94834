"""What admission says of a call: the decision, what is to be done with the call, and how it came to that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sipagent.config import AgentConfig, TrunkConfig
from sipagent.errors import ReasonCode


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule said. A rule of `routes.yaml`, named `route:...`, has passed if the call fits it."""

    rule: str
    passed: bool
    detail: str


Trail = tuple[RuleResult, ...]


@dataclass(frozen=True, slots=True)
class ToAgent:
    """An agent answers. Prompts and voicemail are agents too, whose backends need no model."""

    agent: AgentConfig


@dataclass(frozen=True, slots=True)
class ToTransfer:
    """The call is answered and handed on to `target`; `agent` takes the caller back if that fails."""

    target: str
    agent: AgentConfig


@dataclass(frozen=True, slots=True)
class Admit:
    """The call is taken. `route` tells which rule or number led to the agent."""

    trunk: TrunkConfig
    action: ToAgent | ToTransfer
    route: str
    trail: Trail

    @property
    def agent(self) -> AgentConfig:
        return self.action.agent


@dataclass(frozen=True, slots=True)
class Redirect:
    """The peer is told to call elsewhere: a 3xx with `targets` as Contacts, best first."""

    sip_status: int
    targets: tuple[str, ...]
    trunk: TrunkConfig
    route: str
    trail: Trail


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call is refused; the last result of `trail` is the rule that did it.

    `route` names the rule of `routes.yaml` that says so, and `phrase` what it wants the peer to read.
    """

    sip_status: int
    reason_code: ReasonCode
    detail: str
    retry_after_s: int | None
    trunk: TrunkConfig | None
    trail: Trail
    route: str | None = None
    phrase: str = ""

    @property
    def reason_text(self) -> str:
        """What the Reason header says: the code of the rule, and the name of one of `routes.yaml`."""
        return f"{self.reason_code} {self.route}" if self.route else str(self.reason_code)

    @property
    def reason_header(self) -> str:
        """The value of the Reason header (RFC 3326 section 2)."""
        return f'SIP;cause={self.sip_status};text="{self.reason_text}"'


Decision = Admit | Redirect | Refuse


def as_records(trail: Trail) -> list[dict[str, Any]]:
    """The trail as it stands in the call record."""
    return [{"rule": each.rule, "passed": each.passed, "detail": each.detail} for each in trail]
