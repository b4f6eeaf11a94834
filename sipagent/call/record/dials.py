"""How a call of ours got on before anybody answered, as it stands in the call record. Pure."""

from __future__ import annotations

import msgspec

from sipagent import events


class Dial(msgspec.Struct, kw_only=True):
    """Times are seconds after the call was originated; None for a step that never came.

    `post_dial_delay_s` runs from our INVITE to the first word of the callee's side, `ring_s` from there to
    the answer or the end.
    """

    to_uri: str
    dial_id: str | None = None
    attempt: int = 1
    tenant: str | None = None
    dialled_s: float | None = None
    progressed_s: float | None = None
    post_dial_delay_s: float | None = None
    ring_s: float | None = None
    early_media: bool = False


DialEvent = (
    events.CallDialled
    | events.CallProgressed
    | events.EarlyMediaOffered
    | events.CallAnswered
    | events.CallEnded
)


def dial_of(originated: events.CallOriginated) -> Dial:
    """As it begins."""
    return Dial(
        to_uri=originated.to_uri,
        dial_id=originated.dial_id,
        attempt=originated.attempt,
        tenant=originated.tenant,
    )


def apply(event: DialEvent, dial: Dial, at_s: float) -> None:
    """Take one event in."""
    match event:
        case events.CallDialled():
            dial.dialled_s = at_s
        case events.CallProgressed():
            _hear(dial, at_s)
        case events.EarlyMediaOffered():
            dial.early_media = True
        case events.CallAnswered():
            _hear(dial, at_s)
            _stop_ringing(dial, at_s)
        case events.CallEnded():
            _stop_ringing(dial, at_s)


def _hear(dial: Dial, at_s: float) -> None:
    if dial.progressed_s is None:
        dial.progressed_s = at_s
        dial.post_dial_delay_s = round(at_s - (dial.dialled_s or 0.0), 3)


def _stop_ringing(dial: Dial, at_s: float) -> None:
    if dial.ring_s is None and dial.progressed_s is not None:
        dial.ring_s = round(at_s - dial.progressed_s, 3)
