"""A call from its INVITE to its bill, as the control process has it."""

from __future__ import annotations

from typing import Any, Literal

from sipagent.events.base import CallEvent
from sipagent.events.conversation import DigitMethod


class CallReceived(CallEvent, frozen=True, kw_only=True):
    direction: Literal["inbound", "outbound"]
    source: str
    trunk: str | None
    from_number: str
    to_number: str
    sip_call_id: str
    asserted_identity: str | None = None
    diverted_from: str | None = None
    privacy: str | None = None
    stir: dict[str, Any] | None = None


class CallOriginated(CallEvent, frozen=True, kw_only=True):
    """We are about to call somebody: the first event of an outbound call.

    `from_number` is empty where the trunk's own is shown. What whoever asked for it named stands in
    `dial_id`, `attempt` and `tenant`.
    """

    direction: Literal["outbound"] = "outbound"
    trunk: str
    from_number: str
    to_number: str
    to_uri: str
    dial_id: str | None = None
    attempt: int = 1
    tenant: str | None = None


#: How the story of a call begins.
CallBegun = CallReceived | CallOriginated


class CallRouted(CallEvent, frozen=True, kw_only=True):
    """Admission has decided. `trail` is what each rule said, as `rule`, `passed` and `detail`.

    `route` is the rule of `routes.yaml` or the number that decided, None if the call didn't get that far.
    """

    outcome: Literal["admitted", "redirected", "refused"]
    route: str | None
    trail: list[dict[str, Any]]


class CallAdmitted(CallEvent, frozen=True, kw_only=True):
    agent: str
    route: str


class CallOffered(CallEvent, frozen=True, kw_only=True):
    """The call rings until somebody accepts or rejects it by API; if nobody does, `default` holds."""

    timeout_s: float
    default: Literal["accept", "reject"]


class CallAccepted(CallEvent, frozen=True, kw_only=True):
    """Somebody outside wants an offered call to be answered by `agent`; or it is so by default."""

    agent: str
    by_default: bool


class CallRefused(CallEvent, frozen=True, kw_only=True):
    sip_status: int
    reason_code: str
    detail: str


class CallRedirected(CallEvent, frozen=True, kw_only=True):
    """The peer was told to call one of `targets` instead."""

    sip_status: int
    targets: list[str]
    route: str


class CallDialled(CallEvent, frozen=True, kw_only=True):
    """Our INVITE is on its way: the agent is ready to talk."""


class CallProgressed(CallEvent, frozen=True, kw_only=True):
    """A provisional answer to our INVITE: 180 is ringing."""

    sip_status: int
    reason: str
    sip_call_id: str


class EarlyMediaOffered(CallEvent, frozen=True, kw_only=True):
    """The network would let us hear something before anybody has answered. Nobody listens to it."""

    codec: str


class CallAnswered(CallEvent, frozen=True, kw_only=True):
    """`srtp` names the suite; None is plain RTP."""

    codec: str
    srtp: str | None = None


class MediaUpdated(CallEvent, frozen=True, kw_only=True):
    """What a re-INVITE came to."""

    codec: str
    srtp: str | None
    direction: str


class CallHeld(CallEvent, frozen=True, kw_only=True):
    """The call is on hold, `by` the peer or us. `direction` is ours: with `sendonly` the peer listens."""

    direction: str
    by: Literal["peer", "us"] = "peer"


class CallResumed(CallEvent, frozen=True, kw_only=True):
    """The hold is over."""


class DigitsSent(CallEvent, frozen=True, kw_only=True):
    """Digits are on their way to the peer, one after the other. Masked if they are not to be kept."""

    digits: str
    method: DigitMethod


class CallCharged(CallEvent, frozen=True, kw_only=True):
    """What an answered call used and cost, told when it ends. Costs are in `currency`; None: no prices.

    `tokens` are by model and kind (see `cost.usage.Quantities`); `models` and `trunks` are the parts of
    `model_cost` and `trunk_cost`. Our calls to humans on the caller's behalf are in it.
    """

    agent: str
    trunk: str
    direction: Literal["inbound", "outbound"]
    answered_s: float
    tokens: dict[str, dict[str, int]]
    model_cost: float
    trunk_cost: float
    models: dict[str, float]
    trunks: dict[str, float]
    currency: str | None


class CallEnded(CallEvent, frozen=True, kw_only=True):
    """`outcome` tells of an outbound call what became of it (see `call.origination`).

    `q850` is the cause that the network gave for the end of a call, if it did (ITU-T Q.850, RFC 3326).
    """

    end_reason: str
    sip_status: int
    detail: str = ""
    outcome: str | None = None
    q850: int | None = None
    sip_call_id: str = ""


SignallingEvent = (
    CallBegun
    | CallRouted
    | CallAdmitted
    | CallOffered
    | CallAccepted
    | CallRefused
    | CallRedirected
    | CallDialled
    | CallProgressed
    | EarlyMediaOffered
    | CallAnswered
    | MediaUpdated
    | CallHeld
    | CallResumed
    | DigitsSent
    | CallCharged
    | CallEnded
)
