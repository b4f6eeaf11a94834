"""Who says what, and which keys the caller presses, as a leg hears it."""

from __future__ import annotations

from typing import Literal

import msgspec

from sipagent.events.base import CallEvent

Role = Literal["caller", "agent"]
DigitMethod = Literal["rfc4733", "info", "inband"]

#: Stands for a digit that is not to be kept.
MASKED = "***"


class SpeechStarted(CallEvent, frozen=True, kw_only=True):
    """The caller began to speak, as the backend heard it. `audio_ms` is on the backend's input clock."""

    item_id: str
    audio_ms: int | None = None


class SpeechStopped(CallEvent, frozen=True, kw_only=True):
    item_id: str
    audio_ms: int | None = None


class AgentSpeechStarted(CallEvent, frozen=True, kw_only=True):
    """The first audio of an item went out on the wire."""

    item_id: str


class AgentSpeechEnded(CallEvent, frozen=True, kw_only=True):
    """The last audio of an item went out, or was flushed. `played_ms` is what the caller was sent of it."""

    item_id: str
    played_ms: int
    flushed_ms: int
    interrupted: bool
    starvations: dict[str, int] = msgspec.field(default_factory=dict)


class AgentFellSilent(CallEvent, frozen=True, kw_only=True):
    """What the agent had to say has gone out or was flushed, and no more of it is being made."""


class Transcript(CallEvent, frozen=True, kw_only=True):
    """What one side said in one item, final, whether or not it was heard to the end.

    `is_partial`: the backend was lost before it had said all of it.
    """

    role: Role
    item_id: str
    text: str
    is_partial: bool = False


class PromptEnded(CallEvent, frozen=True, kw_only=True):
    """A recorded prompt has been played; not `completed` if it was interrupted, or could not be read."""

    prompt_id: str
    completed: bool
    detail: str = ""


class DigitReceived(CallEvent, frozen=True, kw_only=True):
    """The caller pressed a key; `method` is the one that told of it first.

    One that is not to be `kept` is masked before record, log or anybody outside gets to see it.
    """

    digit: str
    kept: bool = True
    duration_ms: int
    method: DigitMethod = "rfc4733"


ConversationEvent = (
    SpeechStarted
    | SpeechStopped
    | AgentSpeechStarted
    | AgentSpeechEnded
    | AgentFellSilent
    | Transcript
    | PromptEnded
    | DigitReceived
)
