"""How much happened lately, against counting by hand."""

from __future__ import annotations

from math import inf

from hypothesis import example, given
from hypothesis import strategies as st

from sipagent.outbound.windows import DAY_S, MINUTE_S, Window

TIMES = st.lists(st.floats(0, 200), max_size=20)


def window(times: list[float]) -> Window:
    made = Window()
    for at in times:
        made.note(at)
    return made


@given(TIMES)
def test_a_window_counts_what_is_in_it(times: list[float]) -> None:
    assert window(times).count(200, MINUTE_S) == sum(at > 200 - MINUTE_S for at in times)


@given(TIMES, st.integers(1, 10), st.integers(1, 3))
@example([196.19478521587317], 1, 1)  # 60 s added and taken off again make less
def test_there_is_room_when_it_says_so_and_not_before(times: list[float], most: int, wanted: int) -> None:
    made = window(times)
    room_at = made.room_at(most, wanted, 200, MINUTE_S)
    if wanted > most:
        assert room_at == inf
        return
    assert made.count(room_at, MINUTE_S) + wanted <= most
    if room_at > 200:
        assert made.count(room_at - 1e-3, MINUTE_S) + wanted > most


def test_what_did_not_happen_is_taken_back() -> None:
    made = window([5.0, 7.0])
    made.take_back(5.0)
    assert (made.count(10, MINUTE_S), made.last()) == (1, 7.0)


def test_a_day_is_remembered_and_no_more() -> None:
    made = window([0.0, 10.0])
    made.forget(DAY_S + 5)
    assert made.count(DAY_S - 1, DAY_S) == 1
    assert Window().last() == -inf
