"""What a record says of transfers, and of our own calls to humans. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sipagent import events


class Transfer(msgspec.Struct, kw_only=True):
    """One attempt to hand the caller on. Times are seconds after the INVITE; `outcome` as in `TransferEnded`.

    `joined_s` is when caller and human could talk through us. Without an outcome the server died meanwhile.
    """

    target: str
    to: str
    how: str
    started_s: float
    joined_s: float | None = None
    ended_s: float | None = None
    outcome: str | None = None
    sip_status: int = 0
    detail: str = ""
    summary: str = ""


class HumanLeg(msgspec.Struct, kw_only=True):
    """A call of ours to a human. `rtp` is as that of the call itself."""

    to: str
    trunk: str
    sip_call_id: str
    started_s: float
    answered_s: float | None
    ended_s: float
    sip_status: int
    end_reason: str
    detail: str
    codec: str | None
    rtp: dict[str, Any]


def apply(
    event: events.Event, transfers: list[Transfer], legs: list[HumanLeg], s: Callable[[float], float]
) -> None:
    """Take one event in; `s` makes seconds after the INVITE of a monotonic time."""
    match event:
        case events.TransferStarted():
            transfers.append(
                Transfer(
                    target=event.target,
                    to=event.to_number,
                    how=event.how,
                    started_s=s(event.at),
                    summary=event.summary,
                )
            )
        case events.TransferJoined() if transfers:
            transfers[-1].joined_s = s(event.at)
        case events.TransferEnded() if transfers:
            last = transfers[-1]
            last.ended_s, last.how, last.outcome = s(event.at), event.how, event.outcome
            last.sip_status, last.detail = event.sip_status, event.detail
        case events.HumanLegEnded():
            legs.append(_leg(event, s))


def _leg(event: events.HumanLegEnded, s: Callable[[float], float]) -> HumanLeg:
    return HumanLeg(
        to=event.to_number,
        trunk=event.trunk,
        sip_call_id=event.sip_call_id,
        started_s=s(event.began),
        answered_s=None if event.answered is None else s(event.answered),
        ended_s=s(event.at),
        sip_status=event.sip_status,
        end_reason=event.end_reason,
        detail=event.detail,
        codec=event.codec,
        rtp=event.rtp,
    )
