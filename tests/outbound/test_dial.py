"""The life of a dial."""

from __future__ import annotations

from itertools import product
from typing import get_args

import msgspec
import pytest

from sipagent.outbound.dial import (
    OVER,
    TRANSITIONS,
    CancelAsked,
    Dial,
    Forbidden,
    IllegalMove,
    Left,
    News,
    PickedUp,
    Placed,
    PutBack,
    RanOut,
    Recognised,
    State,
    after,
    with_call_id,
)
from tests.outbound.dials import NOW, dial

EXAMPLES: dict[type, News] = {
    Placed: Placed(NOW + 1, "+4930999"),
    PutBack: PutBack(NOW + 5),
    PickedUp: PickedUp(NOW + 2),
    Recognised: Recognised("human"),
    Left: Left(NOW + 3, "busy", sip_status=486),
    CancelAsked: CancelAsked(NOW + 3),
    RanOut: RanOut(NOW + 3, "expired"),
    Forbidden: Forbidden(NOW + 3, "no such trunk"),
}
BUSY_AGAIN_LATER = Left(NOW + 3, "busy", due_at=NOW + 63, sip_status=486)


def told(*news: News) -> Dial:
    one = dial()
    for each in news:
        one = after(one, each)
    return one


#: How each state is come to.
ROADS: dict[State, tuple[News, ...]] = {
    State.QUEUED: (),
    State.DIALLING: (EXAMPLES[Placed],),
    State.TALKING: (EXAMPLES[Placed], EXAMPLES[PickedUp]),
    State.CANCELLING: (EXAMPLES[Placed], EXAMPLES[CancelAsked]),
    State.WAITING: (EXAMPLES[Placed], BUSY_AGAIN_LATER),
    State.COMPLETED: (EXAMPLES[Placed], EXAMPLES[PickedUp], Left(NOW + 9, "answered")),
    State.FAILED: (EXAMPLES[Placed], EXAMPLES[Left]),
    State.CANCELLED: (EXAMPLES[CancelAsked],),
    State.EXPIRED: (EXAMPLES[RanOut],),
}


def test_every_news_has_an_example() -> None:
    assert EXAMPLES.keys() == set(get_args(News))


@pytest.mark.parametrize(("state", "news"), [*product(State, EXAMPLES)])
def test_every_pair_of_the_table(state: State, news: type) -> None:
    before = told(*ROADS[state])
    assert before.state is state
    allowed = TRANSITIONS[state].get(news)
    if allowed is None:
        with pytest.raises(IllegalMove, match=f"{news.__name__} can't happen to a dial that is {state}"):
            after(before, EXAMPLES[news])
    else:
        moved = after(before, EXAMPLES[news])
        assert moved.state in allowed
        assert (moved.ended_at is not None) == moved.is_over


def test_states_part_into_waiting_on_and_over() -> None:
    for state, road in ROADS.items():
        one = told(*road)
        assert [one.waits, one.is_on, one.is_over].count(True) == 1
        assert one.is_over == (state in OVER)


def test_an_attempt_keeps_what_came_of_it() -> None:
    one = with_call_id(told(EXAMPLES[Placed]), "c-1")
    one = after(one, BUSY_AGAIN_LATER)
    (attempt,) = one.attempts
    assert (attempt.number, attempt.call_id, attempt.caller) == (1, "c-1", "+4930999")
    assert (attempt.outcome, attempt.sip_status, attempt.ended_at) == ("busy", 486, NOW + 3)
    assert (one.state, one.due_at, one.outcome) == (State.WAITING, NOW + 63, "busy")


def test_a_second_attempt_has_the_next_number() -> None:
    one = told(EXAMPLES[Placed], BUSY_AGAIN_LATER, Placed(NOW + 63))
    assert [attempt.number for attempt in one.attempts] == [1, 2]


@pytest.mark.parametrize(("road", "state"), [((), State.QUEUED), (ROADS[State.WAITING], State.WAITING)])
def test_a_call_without_room_was_no_attempt(road: tuple[News, ...], state: State) -> None:
    before = told(*road)
    one = after(after(before, Placed(NOW + 70)), PutBack(NOW + 75))
    assert (one.state, one.attempts, one.due_at) == (state, before.attempts, NOW + 75)


def test_an_answered_call_that_is_over_completes_the_dial() -> None:
    one = told(EXAMPLES[Placed], EXAMPLES[PickedUp], Left(NOW + 9, "answered"))
    assert (one.state, one.last.answered_at, one.ended_at) == (State.COMPLETED, NOW + 2, NOW + 9)


def test_a_machine_may_be_called_again() -> None:
    one = told(EXAMPLES[Placed], EXAMPLES[PickedUp], Left(NOW + 9, "machine", due_at=NOW + 99))
    assert (one.state, one.outcome) == (State.WAITING, "machine")


def test_what_was_cancelled_stays_so_though_it_is_answered() -> None:
    one = told(*ROADS[State.CANCELLING], PickedUp(NOW + 4), Left(NOW + 5, "answered", due_at=NOW + 60))
    assert one.state is State.CANCELLED


@pytest.mark.parametrize("state", State)
def test_a_dial_is_read_as_it_was_written(state: State) -> None:
    one = told(*ROADS[state])
    assert msgspec.json.decode(msgspec.json.encode(one), type=Dial) == one
