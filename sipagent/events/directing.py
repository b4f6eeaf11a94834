"""What those who direct a call in the control process have done for its agent, or in its place."""

from __future__ import annotations

from typing import Any, Literal

from sipagent.events.base import CallEvent

#: `rejected` is the tool's own no (a 4xx), `unavailable` one that is taken for down, `interrupted` a hang-up
#: into which the caller spoke.
ToolOutcome = Literal[
    "ok",
    "rejected",
    "invalid",
    "unknown",
    "failed",
    "timeout",
    "unavailable",
    "busy",
    "interrupted",
    "call_ended",
]


class ToolAnswered(CallEvent, frozen=True, kw_only=True):
    """What came of a `ToolCalled`: exactly one for each.

    `output` is what the model is told; None: nothing, as the call is over or in other hands. `detail` says
    more to those who run the server.
    """

    tool_call_id: str
    name: str
    outcome: ToolOutcome
    duration_ms: float
    output: str | None = None
    detail: str = ""


class MessageTaken(CallEvent, frozen=True, kw_only=True):
    """The caller left a message with the agent; `fields` are those of the tool's parameters."""

    tool: str
    fields: dict[str, Any]


class SafeModeEntered(CallEvent, frozen=True, kw_only=True):
    """These tools are down, and the agent got its safe-mode instructions."""

    tools: list[str]


class SafeModeLeft(CallEvent, frozen=True, kw_only=True):
    """The agent has its own instructions again."""


class FallbackTaken(CallEvent, frozen=True, kw_only=True):
    """What was tried for a call whose model was lost, or could not be reached, and whether that helped.

    `step` is `reconnect`, or a kind and name such as `agent spare`; `cause` why it was needed, or failed.
    """

    step: str
    cause: str
    outcome: Literal["taken", "failed"]


class SessionRolledOver(CallEvent, frozen=True, kw_only=True):
    """A fresh session speaks for the same agent, before the one before it came to its end."""

    agent: str


DirectingEvent = (
    ToolAnswered | MessageTaken | SafeModeEntered | SafeModeLeft | FallbackTaken | SessionRolledOver
)
