"""The search for the number of calls at which the service level breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.load.search import Step, least_broken, most_held, next_calls


def search(is_held: Callable[[int, int], bool], first: int = 20, most: int = 1000) -> list[Step]:
    """`is_held` is asked with the number of calls, and how often it was tried before."""
    steps: list[Step] = []
    while (calls := next_calls(steps, first, most)) is not None:
        before = sum(step.calls == calls for step in steps)
        steps.append(Step(calls, is_held(calls, before)))
        assert len(steps) < 40
    return steps


@pytest.mark.parametrize("limit", [7, 20, 57, 130, 301, 999])
def test_it_comes_close_to_the_limit_from_below(limit: int) -> None:
    steps = search(lambda calls, _: calls <= limit)
    found, broken = most_held(steps), least_broken(steps)
    assert broken is not None
    assert found <= limit < broken
    assert broken - found <= max(5, found / 10)


def test_what_breaks_once_and_holds_again_is_held() -> None:
    steps = search(lambda calls, before: calls != 80 or before > 0, most=160)
    assert most_held(steps) == 160
    assert least_broken(steps) is None


def test_it_goes_no_further_than_it_is_told() -> None:
    steps = search(lambda calls, _: True, most=100)
    assert [step.calls for step in steps] == [20, 40, 80, 100]
    assert most_held(steps) == 100


def test_nothing_holds() -> None:
    steps = search(lambda calls, _: False)
    assert most_held(steps) == 0
