"""The life of a call as a table. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sipagent.events import (
    CallAccepted,
    CallAdmitted,
    CallOffered,
    CallRedirected,
    CallRefused,
    LegEnded,
    LegFailed,
    LegReady,
)
from sipagent.sip.messages import CallConfirmed, CallDisconnected, CallProgress


class State(StrEnum):
    RECEIVED = "received"  # INVITE in, not yet judged
    PREPARING = "preparing"  # admitted and ringing; a worker opens the leg
    OFFERED = "offered"  # ringing; somebody outside has to say whether it is answered
    ORIGINATED = "originated"  # we are to call somebody
    READYING = "readying"  # a worker opens the leg; nobody is called before it is ready
    DIALLING = "dialling"  # our INVITE is out, and nothing is known of the callee
    RINGING = "ringing"  # the callee's side has the call: it rings, or says what it does
    ANSWERED = "answered"  # 200 sent, ACK not yet in
    TALKING = "talking"
    HANGING_UP = "hanging_up"  # we ended it; the peer's confirmation is outstanding
    CLOSING = "closing"  # the peer ended it; the leg's last report is outstanding
    ENDED = "ended"


TRANSITIONS: dict[State, dict[type[Any], State]] = {
    State.RECEIVED: {
        CallAdmitted: State.PREPARING,
        CallRefused: State.ENDED,
        CallRedirected: State.ENDED,
    },
    State.PREPARING: {
        CallOffered: State.OFFERED,
        LegReady: State.ANSWERED,
        LegFailed: State.PREPARING,  # a refusal follows
        LegEnded: State.PREPARING,  # so it does when the worker died
        CallRefused: State.ENDED,
        CallRedirected: State.ENDED,
        CallDisconnected: State.CLOSING,
    },
    State.OFFERED: {
        CallAccepted: State.PREPARING,
        CallRefused: State.ENDED,
        CallDisconnected: State.ENDED,
    },
    State.ORIGINATED: {
        CallAdmitted: State.READYING,
    },
    State.READYING: {
        LegReady: State.DIALLING,
        LegFailed: State.READYING,  # its end follows, or another agent's leg
        LegEnded: State.READYING,
        CallRefused: State.ENDED,
    },
    State.DIALLING: {
        CallProgress: State.RINGING,
        CallConfirmed: State.TALKING,
        LegEnded: State.HANGING_UP,
        CallDisconnected: State.CLOSING,
    },
    State.RINGING: {
        CallProgress: State.RINGING,
        CallConfirmed: State.TALKING,
        LegEnded: State.HANGING_UP,
        CallDisconnected: State.CLOSING,
    },
    State.ANSWERED: {
        CallConfirmed: State.TALKING,
        CallRefused: State.ANSWERED,  # the offer can't be answered after all; the peer's end of it follows
        LegEnded: State.HANGING_UP,
        CallDisconnected: State.CLOSING,
    },
    State.TALKING: {
        LegEnded: State.HANGING_UP,
        CallDisconnected: State.CLOSING,
    },
    State.HANGING_UP: {
        CallProgress: State.HANGING_UP,
        CallConfirmed: State.HANGING_UP,  # of a call of ours too, whose answer crossed our CANCEL
        CallDisconnected: State.ENDED,
    },
    State.CLOSING: {
        LegReady: State.CLOSING,
        LegFailed: State.ENDED,
        LegEnded: State.ENDED,
    },
    State.ENDED: {},
}

#: A leg gets ready, and nobody has been told that we are there.
GETTING_READY = frozenset({State.PREPARING, State.READYING})
#: We call, and nobody has answered.
CALLING = frozenset({State.DIALLING, State.RINGING})

#: Every event type that moves a call; all others leave the state as it is.
MOVES: frozenset[type[Any]] = frozenset(event for row in TRANSITIONS.values() for event in row)


class IllegalMove(Exception):
    """An event that can't happen in this state."""

    def __init__(self, state: State, event: type[Any]) -> None:
        super().__init__(f"{event.__name__} can't happen in state {state}")
        self.state = state
        self.event = event


def next_state(state: State, event: type[Any]) -> State:
    """The state after `event`. Raises IllegalMove for a move that the table doesn't have."""
    if event not in MOVES:
        return state
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalMove(state, event) from None


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.RECEIVED}", f"    [*] --> {State.ORIGINATED}"]
    lines += [
        f"    {state} --> {target}: {event.__name__}"
        for state, row in TRANSITIONS.items()
        for event, target in row.items()
    ]
    return "\n".join([*lines, f"    {State.ENDED} --> [*]"])
