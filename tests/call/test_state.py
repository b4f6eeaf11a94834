"""The life of a call: what may happen when."""

from __future__ import annotations

from collections import deque
from itertools import product

import pytest

from docs.call_states import PAGE, page
from sipagent import events
from sipagent.call.state import (
    CALLING,
    GETTING_READY,
    MOVES,
    TRANSITIONS,
    IllegalMove,
    State,
    diagram,
    next_state,
)
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    CallProgress,
    InfoDigit,
    MediaNegotiated,
)

#: Everything that a call may see, moves or not.
ALL_EVENTS = sorted(
    {*MOVES, InfoDigit, MediaNegotiated, events.Transcript, events.PathBuilt, events.UsageReported},
    key=lambda event: event.__name__,
)


@pytest.mark.parametrize(("state", "event"), [*product(State, ALL_EVENTS)], ids=str)
def test_every_pair_of_state_and_event_moves_stays_or_is_illegal(state: State, event: type) -> None:
    if event not in MOVES:
        assert next_state(state, event) is state
    elif event in TRANSITIONS[state]:
        assert next_state(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(IllegalMove, match=f"{event.__name__} can't happen in state {state}"):
            next_state(state, event)


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_is_reached_and_leads_to_the_end() -> None:
    before_dialling = {State.ORIGINATED, State.READYING, State.DIALLING, State.RINGING}
    assert reachable(State.RECEIVED) == set(State) - before_dialling
    before_answering = {State.RECEIVED, State.PREPARING, State.OFFERED, State.ANSWERED}
    assert reachable(State.ORIGINATED) == set(State) - before_answering
    assert all(State.ENDED in reachable(state) for state in State)
    assert reachable(State.ENDED) == {State.ENDED}


def test_the_peer_may_go_at_any_time_after_admission() -> None:
    alive = {State.PREPARING, State.OFFERED, *CALLING, State.ANSWERED, State.TALKING, State.HANGING_UP}
    assert {state for state, row in TRANSITIONS.items() if CallDisconnected in row} == alive


def test_the_leg_may_end_at_any_time_after_admission() -> None:
    alive = {*GETTING_READY, *CALLING, State.ANSWERED, State.TALKING, State.CLOSING}
    assert {state for state, row in TRANSITIONS.items() if events.LegEnded in row} == alive


@pytest.mark.parametrize(
    "story",
    [
        [events.CallAdmitted, events.LegReady, CallConfirmed, CallDisconnected, events.LegEnded],
        [events.CallAdmitted, events.LegReady, CallConfirmed, events.LegEnded, CallDisconnected],
        [events.CallAdmitted, events.LegReady, events.LegEnded, CallConfirmed, CallDisconnected],
        [events.CallAdmitted, CallDisconnected, events.LegReady, events.LegEnded],
        [events.CallAdmitted, CallDisconnected, events.LegFailed],
        [events.CallAdmitted, events.LegFailed, events.CallRefused],
        [events.CallAdmitted, events.LegEnded, events.CallRefused],
        [events.CallRefused],
    ],
    ids=[
        "caller hangs up",
        "leg ends first",
        "leg ends before the ACK",
        "cancelled just when ready",
        "cancelled",
        "backend refuses",
        "worker lost before the answer",
        "refused",
    ],
)
def test_a_life_ends_with_its_last_event_and_not_before(story: list[type]) -> None:
    state = State.RECEIVED
    for event in story:
        assert state is not State.ENDED
        state = next_state(state, event)
    assert state is State.ENDED


@pytest.mark.parametrize(
    "story",
    [
        [CallProgress, CallConfirmed, CallDisconnected, events.LegEnded],
        [CallProgress, CallProgress, CallConfirmed, events.LegEnded, CallDisconnected],
        [CallConfirmed, events.LegEnded, CallDisconnected],
        [CallDisconnected, events.LegEnded],
        [CallProgress, CallDisconnected, events.LegEnded],
        [CallProgress, events.LegEnded, CallDisconnected],
        [events.LegEnded, CallProgress, CallConfirmed, CallDisconnected],
    ],
    ids=[
        "callee hangs up",
        "leg ends first",
        "answered without ringing",
        "refused at once",
        "refused",
        "given up",
        "answered when it was given up already",
    ],
)
def test_a_call_of_ours_ends_with_its_last_event_and_not_before(story: list[type]) -> None:
    state = State.ORIGINATED
    for event in (events.CallAdmitted, events.LegReady, *story):
        assert state is not State.ENDED
        state = next_state(state, event)
    assert state is State.ENDED


def test_the_diagram_has_every_move() -> None:
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    moves = [line for line in lines if ": " in line]
    assert len(moves) == sum(len(row) for row in TRANSITIONS.values())
    assert "    preparing --> answered: LegReady" in moves


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m docs.call_states"


def reachable(start: State) -> set[State]:
    found, waiting = {start}, deque([start])
    while waiting:
        for target in TRANSITIONS[waiting.popleft()].values():
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found
