"""What directs a call that is on: each director hears all its events and says what is to be done next.

A director is pure but for those that have to wait for the world (tools); such a one puts what it waited for
into the call's inbox as an event, so that everything that happens to a call still comes one way.
Which directors a call has is said in `call.casting`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sipagent import events
from sipagent.config import AgentConfig
from sipagent.config.transfer import How
from sipagent.errors import EndReason, ReasonCode
from sipagent.worker.orders import ToLeg


class HangUp(msgspec.Struct, frozen=True, kw_only=True):
    """End the call."""

    reason: EndReason
    detail: str = ""


class PressKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Press keys towards the peer, by the best method that it takes."""

    digits: str


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Hand the caller on to `target`: one of the agent's `transfers` by its name, a number, or a URI.

    What the agent is saying is played to its end before. `TransferStarted` and `TransferEnded` follow, or
    `TransferFailed` if that can't be. Where the caller is still ours, the agent is told so, unless whoever
    asked for it `tells_agent` itself. Numbers and URIs must be `allowed` by the trunk, unless the operator
    wrote them (`is_configured`). `summary` goes to the human.
    """

    target: str
    how: How | None = None
    summary: str = ""
    is_configured: bool = False
    tells_agent: bool = False


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Put the peer on hold: it hears what the trunk's `hold` says, and the agent hears nothing."""


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Take the peer up again."""


class Accept(msgspec.Struct, frozen=True, kw_only=True):
    """Answer a call that waits for somebody's word. What is not None differs from the agent's own."""

    agent: str | None = None
    instructions: str | None = None
    greeting: str | None = None
    voice: str | None = None


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """Refuse a call that waits for somebody's word."""

    sip_status: int = 603
    reason_code: ReasonCode = ReasonCode.API_REJECTED
    detail: str = ""


#: What may be asked of a call: by its directors, and from outside by the API.
Command = ToLeg | HangUp | PressKeys | Transfer | Hold | Resume | Accept | Reject


class Director(Protocol):
    """One per call and concern. `now` is CLOCK_MONOTONIC in seconds, as in events."""

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        """Something happened."""

    def next_timer(self) -> float | None:
        """When `on_timer` is to be called, if nothing happens before."""

    def on_timer(self, now: float) -> Iterable[Command]:
        """The time has come."""

    def close(self) -> None:
        """The call is over."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What directors may know of their call. `tell` puts an event into its inbox.

    `is_recorded`: it is, or will be once its story lets the recording begin. `detects_machine`: its worker
    tells who answers it.
    """

    call_id: str
    direction: str
    trunk: str
    agent: AgentConfig
    max_duration_s: float
    tell: Callable[[events.Event], None]
    is_recorded: bool = True
    detects_machine: bool = False
