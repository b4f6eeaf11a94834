"""A call that we are to place, and what may become of it. Pure.

Whoever decides that somebody is called makes an `Origination` of it and gives it to `ActiveCalls.originate`,
once for every attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sipagent.errors import ReasonCode


@dataclass(frozen=True, slots=True)
class Origination:
    """One attempt to have `agent` talk to somebody.

    `to` is the number or URI as it was asked for; `to_uri` is what is called (see `numbering.uri_to_call`).
    `from_uri` is a URI or a number of ours, None: as the trunk; `hide_caller` keeps it from the callee.
    The callee may ring for `ring_timeout_s`. `headers` stand in the INVITE. `variables` are known to the
    agent: they fill `{name}` in its instructions and greeting. `dial_id`, `attempt` and `tenant` go into
    events and record, for whoever asked. `detects_machine`: the agent is to learn whether a machine answers.
    """

    to: str
    to_uri: str
    trunk: str
    agent: str
    from_uri: str | None = None
    hide_caller: bool = False
    ring_timeout_s: float = 45
    headers: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    dial_id: str | None = None
    attempt: int = 1
    tenant: str | None = None
    detects_machine: bool = False


class Refused(Exception):
    """A call is not placed, by a rule of ours. Nothing was sent, and there is no record of it.

    `retry_after_s` is when to ask again; None: it is no use before something else has changed.
    """

    def __init__(self, reason_code: ReasonCode, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.reason_code = reason_code
        self.detail = detail
        self.retry_after_s = retry_after_s


class Outcome(StrEnum):
    """What became of a call that was placed. Exactly one stands in its `CallEnded` and its record."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"  # by the callee, or by the network on its behalf
    UNREACHABLE = "unreachable"  # no way to the callee: phone off, out of order, no server of the trunk's
    INVALID_NUMBER = "invalid_number"
    FAILED = "failed"  # by a fault of the network's, the peer's or ours
    CANCELLED = "cancelled"  # by our side, before anybody answered


#: RFC 3261, 21.4 to 21.6; 607 and 608 are those of RFC 8197 and RFC 8688. All others have failed.
BY_STATUS: Mapping[int, Outcome] = {
    403: Outcome.REJECTED,
    404: Outcome.INVALID_NUMBER,
    408: Outcome.NO_ANSWER,
    410: Outcome.INVALID_NUMBER,
    414: Outcome.INVALID_NUMBER,
    416: Outcome.INVALID_NUMBER,
    433: Outcome.REJECTED,
    480: Outcome.NO_ANSWER,
    484: Outcome.INVALID_NUMBER,
    485: Outcome.INVALID_NUMBER,
    486: Outcome.BUSY,
    600: Outcome.BUSY,
    603: Outcome.REJECTED,
    604: Outcome.INVALID_NUMBER,
    607: Outcome.REJECTED,
    608: Outcome.REJECTED,
}
#: Causes of ITU-T Q.850 (RFC 3326 has them in Reason) that say more than the status beside them.
BY_CAUSE: Mapping[int, Outcome] = {
    1: Outcome.INVALID_NUMBER,  # unallocated
    2: Outcome.UNREACHABLE,  # no route to the network
    3: Outcome.UNREACHABLE,  # no route to the destination
    4: Outcome.INVALID_NUMBER,  # special information tone
    5: Outcome.INVALID_NUMBER,  # misdialled prefix
    17: Outcome.BUSY,
    18: Outcome.NO_ANSWER,  # no user responding
    19: Outcome.NO_ANSWER,  # alerted
    20: Outcome.UNREACHABLE,  # subscriber absent
    21: Outcome.REJECTED,
    22: Outcome.INVALID_NUMBER,  # number changed
    27: Outcome.UNREACHABLE,  # destination out of order
    28: Outcome.INVALID_NUMBER,  # incomplete
    34: Outcome.FAILED,  # no circuit
    38: Outcome.FAILED,  # network out of order
    41: Outcome.FAILED,
    42: Outcome.FAILED,  # congestion
    55: Outcome.REJECTED,  # incoming calls barred within a closed group
}


def outcome_of(
    sip_status: int,
    q850: int | None = None,
    *,
    timed_out: bool = False,
    cancelled: bool = False,
    by_remote: bool = True,
) -> Outcome:
    """What the end of an INVITE says of the callee.

    `sip_status` is its final status, `q850` the cause beside it. `timed_out`: we gave it up because it rang
    for too long; `cancelled`: we did for another reason. Not `by_remote`: no server had anything to say.
    """
    if 200 <= sip_status < 300:
        return Outcome.ANSWERED
    if cancelled:
        return Outcome.CANCELLED
    if timed_out:
        return Outcome.NO_ANSWER
    if not by_remote:
        return Outcome.UNREACHABLE
    if q850 is not None and q850 in BY_CAUSE:
        return BY_CAUSE[q850]
    return BY_STATUS.get(sip_status, Outcome.FAILED)
