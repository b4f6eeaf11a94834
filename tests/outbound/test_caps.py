"""What one token may have placed."""

from __future__ import annotations

from math import inf

import pytest

from sipagent.config import CapsConfig
from sipagent.outbound.caps import full_for, opens_at
from sipagent.outbound.windows import DAY_S, Window
from tests.outbound.dials import NOW

CAPS = CapsConfig(max_concurrent=2, max_per_minute=3, max_per_day=5)


def placed(*ago_s: float) -> Window:
    window = Window()
    for seconds in ago_s:
        window.note(NOW - seconds)
    return window


def rule(placed: Window, on: int = 0, waiting: int = 0, wanted: int = 1, *, at_once: bool = True) -> str:
    full = full_for(CAPS, placed, on, waiting, wanted, NOW, at_once=at_once)
    return "" if full is None else f"{full.rule} {full.retry_after_s}"


@pytest.mark.parametrize(
    ("ago_s", "on", "waiting", "told"),
    [
        ((), 0, 0, ""),
        ((), 1, 0, ""),
        ((), 2, 0, "key_concurrent_cap 5"),
        ((), 1, 1, "key_concurrent_cap 5"),
        ((50, 40, 30), 0, 0, "key_minute_cap 10"),
        ((61, 40, 30), 0, 0, ""),
        ((50, 40), 0, 1, "key_minute_cap 10"),
        ((DAY_S - 100, 5000, 4000, 3000, 2000), 0, 0, "key_daily_cap 100"),
        ((DAY_S + 1, 5000, 4000, 3000, 2000), 0, 0, ""),
    ],
)
def test_a_call_that_is_to_be_placed_now(ago_s: tuple[float, ...], on: int, waiting: int, told: str) -> None:
    assert rule(placed(*ago_s), on, waiting) == told


def test_a_campaign_waits_for_its_turn_but_not_for_another_day() -> None:
    assert rule(placed(50, 40, 30), on=2, wanted=2, at_once=False) == ""
    assert rule(placed(50, 40, 30), on=2, wanted=3, at_once=False) == f"key_daily_cap {int(DAY_S) - 50}"
    assert rule(placed(), wanted=6, at_once=False) == f"key_daily_cap {int(DAY_S)}"


def test_a_token_without_caps_has_none() -> None:
    many = placed(*range(100))
    assert full_for(CapsConfig(), many, 1000, 1000, 1000, NOW, at_once=True) is None
    assert opens_at(CapsConfig(), many, 1000, NOW) == NOW


def test_placing_waits_for_room() -> None:
    assert opens_at(CAPS, placed(), 1, NOW) == NOW
    assert opens_at(CAPS, placed(), 2, NOW) == inf
    assert opens_at(CAPS, placed(50, 40, 30), 0, NOW) == NOW + 10
