"""A dial: the wish to reach somebody, and the attempts to fulfil it. Its life is a table. Pure.

Times are Unix times in seconds: dials outlive the process.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from sipagent.call.origination import Outcome

#: What stands for the outcome of an answered attempt that a machine took.
MACHINE = "machine"
#: Of an attempt that was under way when the server died.
SERVER_CRASHED = "server_crashed"


class State(StrEnum):
    QUEUED = "queued"  # no attempt has been made yet
    DIALLING = "dialling"  # an attempt is under way
    TALKING = "talking"  # it was answered, and the call is on
    CANCELLING = "cancelling"  # cancelled while dialling; the call's end is outstanding
    WAITING = "waiting"  # for its next attempt
    COMPLETED = "completed"  # a call was answered, and is over
    FAILED = "failed"  # no attempt is left
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # its time was over before an attempt could be made


class Retry(msgspec.Struct, frozen=True):
    """See `RetryConfig`. A dial keeps the policy that it was taken with."""

    attempts: int = 1
    waits_s: tuple[float, ...] = (300.0,)
    jitter: float = 0.0
    retry_on: tuple[str, ...] = ()
    hours: str | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `to` is a number without what people write between digits, or a SIP URI.

    `key` is the name of the token that asked. The caller's number is `caller`, or one of `pool`; without
    either, the trunk's own.
    """

    to: str
    agent: str
    trunk: str
    key: str
    tenant: str
    caller: str | None = None
    pool: str | None = None
    hides_caller: bool = False
    campaign: str | None = None
    ring_timeout_s: float = 45.0
    variables: dict[str, str] = {}
    headers: tuple[tuple[str, str], ...] = ()
    retry: Retry = Retry()
    detects_machine: bool = False
    not_before: float = 0.0
    expires_at: float


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One call, or the start of one. `caller` is the number that it was placed from, None the trunk's own.

    `answerer` is who was recognised to answer (see `events.AnswererDetected`), where that was asked for.
    """

    number: int
    began_at: float
    caller: str | None = None
    call_id: str | None = None
    answered_at: float | None = None
    answerer: str | None = None
    ended_at: float | None = None
    outcome: str | None = None
    sip_status: int | None = None
    q850_cause: int | None = None
    detail: str = ""


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """`due_at` is when its next attempt may begin, while it waits for one. `detail` says why it is over."""

    dial_id: str
    wish: Wish
    created_at: float
    due_at: float
    state: State = State.QUEUED
    attempts: tuple[Attempt, ...] = ()
    ended_at: float | None = None
    detail: str = ""

    @property
    def waits(self) -> bool:
        return self.state in WAITING

    @property
    def is_on(self) -> bool:
        return self.state in ON

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def last(self) -> Attempt:
        """The attempt under way, or the one before. Not of a dial that has had none."""
        return self.attempts[-1]

    @property
    def outcome(self) -> str | None:
        """What came of its last attempt, None as long as nothing has."""
        return self.attempts[-1].outcome if self.attempts else None


WAITING = frozenset({State.QUEUED, State.WAITING})
ON = frozenset({State.DIALLING, State.TALKING, State.CANCELLING})


class Placed(msgspec.Struct, frozen=True):
    """An attempt begins. It counts from now on, whatever happens to the server."""

    at: float
    caller: str | None = None


class PutBack(msgspec.Struct, frozen=True):
    """The call could not be begun for want of room: no attempt was made. It may be at `due_at`."""

    due_at: float


class PickedUp(msgspec.Struct, frozen=True):
    """The call was answered."""

    at: float


class Recognised(msgspec.Struct, frozen=True):
    """Who it was that answered."""

    answerer: str


class Left(msgspec.Struct, frozen=True):
    """The attempt is over. `due_at` is when there is to be another one, None: never."""

    at: float
    outcome: str
    due_at: float | None = None
    sip_status: int | None = None
    q850_cause: int | None = None
    detail: str = ""


class CancelAsked(msgspec.Struct, frozen=True):
    at: float


class RanOut(msgspec.Struct, frozen=True):
    """It may not be tried any more. `detail` says why."""

    at: float
    detail: str


class Forbidden(msgspec.Struct, frozen=True):
    """It could never be placed as things are now."""

    at: float
    detail: str


News = Placed | PutBack | PickedUp | Recognised | Left | CancelAsked | RanOut | Forbidden

#: Where there is a choice, `_state_of` makes it.
TRANSITIONS: dict[State, dict[type[Any], frozenset[State]]] = {
    State.QUEUED: {
        Placed: frozenset({State.DIALLING}),
        CancelAsked: frozenset({State.CANCELLED}),
        RanOut: frozenset({State.EXPIRED}),
        Forbidden: frozenset({State.FAILED}),
    },
    State.WAITING: {
        Placed: frozenset({State.DIALLING}),
        CancelAsked: frozenset({State.CANCELLED}),
        RanOut: frozenset({State.FAILED}),
        Forbidden: frozenset({State.FAILED}),
    },
    State.DIALLING: {
        PutBack: frozenset({State.QUEUED, State.WAITING}),
        PickedUp: frozenset({State.TALKING}),
        Left: frozenset({State.WAITING, State.FAILED, State.CANCELLED}),
        CancelAsked: frozenset({State.CANCELLING}),
    },
    State.TALKING: {
        Recognised: frozenset({State.TALKING}),
        Left: frozenset({State.WAITING, State.COMPLETED}),
    },
    State.CANCELLING: {
        PutBack: frozenset({State.CANCELLED}),
        PickedUp: frozenset({State.CANCELLING}),
        Recognised: frozenset({State.CANCELLING}),
        Left: frozenset({State.CANCELLED}),
        CancelAsked: frozenset({State.CANCELLING}),
    },
    State.COMPLETED: {},
    State.FAILED: {},
    State.CANCELLED: {},
    State.EXPIRED: {},
}
OVER = frozenset(state for state, row in TRANSITIONS.items() if not row)


class IllegalMove(Exception):
    """What can't happen in this state."""

    def __init__(self, state: State, news: type[Any]) -> None:
        super().__init__(f"{news.__name__} can't happen to a dial that is {state}")
        self.state = state


def after(dial: Dial, news: News) -> Dial:
    """The dial once this has happened. Raises `IllegalMove`."""
    targets = TRANSITIONS[dial.state].get(type(news))
    if targets is None:
        raise IllegalMove(dial.state, type(news))
    moved = _told(dial, news)
    state = next(iter(targets)) if len(targets) == 1 else _state_of(dial, news)
    assert state in targets
    over = {"ended_at": _at(news, dial)} if state in OVER else {}
    return replace(moved, state=state, **over)


def _state_of(dial: Dial, news: News) -> State:
    """Where a row of the table leaves a choice."""
    if isinstance(news, PutBack):
        return State.WAITING if len(dial.attempts) > 1 else State.QUEUED
    assert isinstance(news, Left)
    if news.due_at is not None:
        return State.WAITING
    if dial.state is State.TALKING:
        return State.COMPLETED
    return State.CANCELLED if news.outcome == Outcome.CANCELLED else State.FAILED


def _told(dial: Dial, news: News) -> Dial:
    match news:
        case Placed():
            attempt = Attempt(number=len(dial.attempts) + 1, began_at=news.at, caller=news.caller)
            return replace(dial, attempts=(*dial.attempts, attempt))
        case PutBack():
            return replace(dial, attempts=dial.attempts[:-1], due_at=news.due_at)
        case PickedUp():
            return _with_last(dial, answered_at=news.at)
        case Recognised():
            return _with_last(dial, answerer=news.answerer)
        case Left():
            told = {name: getattr(news, name) for name in ("outcome", "sip_status", "q850_cause", "detail")}
            ended = _with_last(dial, ended_at=news.at, **told)
            return ended if news.due_at is None else replace(ended, due_at=news.due_at)
        case RanOut() | Forbidden():
            return replace(dial, detail=news.detail)
        case CancelAsked():
            return dial


def with_call_id(dial: Dial, call_id: str) -> Dial:
    """The attempt under way has become a call."""
    return _with_last(dial, call_id=call_id)


def postponed(dial: Dial, due_at: float) -> Dial:
    """One that waits, and goes on waiting."""
    return replace(dial, due_at=due_at)


def with_next(left: Left, due_at: float | None) -> Left:
    """The same end of an attempt, with another to follow it at `due_at`, if not None."""
    return replace(left, due_at=due_at)


def _with_last(dial: Dial, **fields: Any) -> Dial:
    return replace(dial, attempts=(*dial.attempts[:-1], replace(dial.last, **fields)))


def _at(news: News, dial: Dial) -> float:
    return dial.last.began_at if isinstance(news, PutBack | Recognised) else news.at
