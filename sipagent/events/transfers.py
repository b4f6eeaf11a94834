"""Callers who are handed on by the control process."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sipagent.events.base import CallEvent

TransferMethod = Literal["refer", "attended", "bridge"]


class TransferStarted(CallEvent, frozen=True, kw_only=True):
    """The caller is being handed on. `target` is the agent's word for it, or the number.

    `said` is what both sides have said so far, as `role` and `text`.
    """

    target: str
    to_number: str
    how: TransferMethod
    summary: str = ""
    said: list[dict[str, str]] = msgspec.field(default_factory=list)


class TransferJoined(CallEvent, frozen=True, kw_only=True):
    """Caller and human talk to each other, through us."""

    target: str


class TransferEnded(CallEvent, frozen=True, kw_only=True):
    """What became of a transfer, by whichever way it went in the end; `sip_status` 0 if none tells.

    `returned`: they have talked, and the human left the caller to the agent.
    """

    target: str
    to_number: str
    how: TransferMethod
    outcome: Literal["transferred", "failed", "returned", "human_left", "caller_left"]
    sip_status: int
    detail: str = ""


class TransferFailed(CallEvent, frozen=True, kw_only=True):
    """The caller may not or can't be handed on to `target`: it was not even tried."""

    target: str
    sip_status: int = 0
    detail: str = ""


class HumanLegEnded(CallEvent, frozen=True, kw_only=True):
    """Our own call to a human is over, or never came about. Times are monotonic seconds.

    `rtp` is as in `LegEnded`; `codec` is None if nobody answered.
    """

    to_number: str
    trunk: str
    sip_call_id: str
    began: float
    answered: float | None
    sip_status: int
    end_reason: str
    detail: str = ""
    codec: str | None = None
    rtp: dict[str, Any] = msgspec.field(default_factory=dict)


TransferEvent = TransferStarted | TransferJoined | TransferEnded | TransferFailed | HumanLegEnded
