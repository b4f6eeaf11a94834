"""What a leg has of its backend besides words: what it wants and uses, and whether it is there."""

from __future__ import annotations

from typing import Any, Literal

from sipagent.events.base import CallEvent


class ToolCalled(CallEvent, frozen=True, kw_only=True):
    """The model wants a tool to be run. `arguments` is JSON text, as the model wrote it."""

    tool_call_id: str
    name: str
    arguments: str


class McpToolUsed(CallEvent, frozen=True, kw_only=True):
    """The model's host ran a tool of the MCP `server`. `error` says why it failed, if it did."""

    tool_call_id: str
    server: str
    name: str
    arguments: str
    output: str | None = None
    error: str = ""


class UsageReported(CallEvent, frozen=True, kw_only=True):
    """Usage of one response or transcription, as the backend reported it. Consumers add it up.

    `model` goes by the name under which it has a price.
    """

    source: Literal["response", "transcription"]
    usage: dict[str, Any]
    model: str = ""


class BackendDown(CallEvent, frozen=True, kw_only=True):
    """The backend of `agent` is gone. The call stands, without one: what had come of the agent's words is
    still played.

    `fatal`: it will not serve us, so trying again is no use.
    """

    agent: str
    code: str
    message: str
    fatal: bool


class BackendNotReplaced(CallEvent, frozen=True, kw_only=True):
    """The backend that was to speak for `agent` did not come up, or not stay. If there is one, it goes on."""

    agent: str
    code: str
    message: str
    fatal: bool


class BackendReplaced(CallEvent, frozen=True, kw_only=True):
    """Another session speaks for the agent from now on, and knows the conversation so far."""

    agent: str
    ready_ms: float
    expires_at: float | None = None


class BackendFinished(CallEvent, frozen=True, kw_only=True):
    """A backend without a model has done its part, and all that it said has gone out.

    `outcome` is an `errors.EndReason`: `prompt_played`, `message_taken` or `no_message`. `message_ms` is how
    long a message was, which lies at the end of the recording.
    """

    outcome: str
    message_ms: int = 0
    detail: str = ""


class BackendProblem(CallEvent, frozen=True, kw_only=True):
    """The backend reported an error that did not end the call."""

    code: str
    message: str


ModelEvent = (
    ToolCalled
    | McpToolUsed
    | UsageReported
    | BackendDown
    | BackendNotReplaced
    | BackendReplaced
    | BackendFinished
    | BackendProblem
)
