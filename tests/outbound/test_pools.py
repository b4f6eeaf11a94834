"""Which number a call is placed from."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.config import PoolConfig
from sipagent.outbound.pools import NumberUse
from tests.outbound.dials import NOW

BERLIN, MUNICH, LONDON = "+4930111", "+4989222", "+4420333"


def pool(**fields: Any) -> PoolConfig:
    return PoolConfig(**{"numbers": (BERLIN, MUNICH, LONDON), **fields})


def chosen(pool: PoolConfig, calls: int, callee: str = "+4930555", use: NumberUse | None = None) -> list[str]:
    """The numbers of so many calls, one a second."""
    use = use or NumberUse()
    numbers = []
    for second in range(calls):
        number = use.choose(pool, callee, None, NOW + second)
        assert number is not None
        use.placed(number, NOW + second)
        numbers.append(number)
    return numbers


def test_numbers_go_round() -> None:
    assert chosen(pool(), 7) == [BERLIN, MUNICH, LONDON, BERLIN, MUNICH, LONDON, BERLIN]


def test_the_number_with_the_fewest_calls_goes_first() -> None:
    use = NumberUse()
    for seconds in (10, 20):
        use.placed(BERLIN, NOW - seconds)
    use.placed(MUNICH, NOW - 30)
    assert chosen(pool(choose="least_used"), 4, use=use) == [LONDON, MUNICH, LONDON, BERLIN]


@pytest.mark.parametrize(
    ("callee", "number"),
    [("+4930555", BERLIN), ("+4989555", MUNICH), ("+4420555", LONDON), ("+44161555", LONDON)],
)
def test_the_number_next_to_the_callee(callee: str, number: str) -> None:
    assert chosen(pool(choose="matching_prefix"), 2, callee) == [number, number]


def test_equally_near_numbers_take_turns() -> None:
    assert chosen(pool(choose="matching_prefix"), 3, "+4940555") == [BERLIN, MUNICH, BERLIN]


def test_who_was_called_is_called_from_the_same_number() -> None:
    sticky = pool(sticky=True)
    assert NumberUse().choose(sticky, "+4930555", MUNICH, NOW) == MUNICH
    assert NumberUse().choose(sticky, "+4930555", "+3312345", NOW) == BERLIN
    assert NumberUse().choose(pool(), "+4930555", MUNICH, NOW) == BERLIN


def test_a_number_has_only_so_many_calls_at_once() -> None:
    use, one_each = NumberUse(), pool(max_concurrent_per_number=1)
    for number in (BERLIN, MUNICH, LONDON):
        assert use.choose(one_each, "+4930555", None, NOW) == number
        use.placed(number, NOW)
        use.went_on(number)
    assert use.choose(one_each, "+4930555", None, NOW) is None
    use.ended(MUNICH)
    assert use.choose(one_each, "+4930555", None, NOW) == MUNICH
    assert use.choose(pool(sticky=True, max_concurrent_per_number=1), "+4930555", BERLIN, NOW) is None


def test_a_number_has_only_so_many_calls_a_day() -> None:
    use, few = NumberUse(), pool(numbers=(BERLIN,), max_per_day_per_number=2)
    use.placed(BERLIN, NOW - 86_000)
    use.placed(BERLIN, NOW - 100)
    assert use.choose(few, "+4930555", None, NOW) is None
    assert use.choose(few, "+4930555", None, NOW + 401) == BERLIN
    use.taken_back(BERLIN, NOW - 100)
    assert use.choose(few, "+4930555", None, NOW) == BERLIN
