"""The worker's clock, on a loop whose time stands still until the test moves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest

from sipagent.worker import ticker as module
from sipagent.worker.reports import LATE_BOUNDS_S
from sipagent.worker.ticker import FRAME_MS, MAX_CATCH_UP_FRAMES, SUB_TICKS, Ticker

SUB_TICK_S = FRAME_MS / SUB_TICKS / 1000


class Clock(asyncio.AbstractEventLoop):
    """A loop with one timer, and the monotonic clock itself."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: tuple[float, Callable[[], object]] | None = None

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:  # type: ignore[override]
        self._due = (when, callback)
        return asyncio.TimerHandle(when, callback, (), self)

    @property
    def is_set(self) -> bool:
        return self._due is not None

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._due = None

    def run_until(self, end: float, late_s: float = 0.0) -> None:
        """Let time pass; every timer fires `late_s` after it is due."""
        while self._due is not None and self._due[0] + late_s <= end + 1e-9:
            (when, callback), self._due = self._due, None
            self.now = max(when + late_s, self.now)
            callback()
        self.now = max(self.now, end)


class Legs:
    """What legs see of the clock."""

    def __init__(self, ticker: Ticker, count: int) -> None:
        self.ticks: list[tuple[int, float, float]] = []
        self.members = [partial(self._tick, number) for number in range(count)]
        for tick in self.members:
            ticker.add(tick, lambda error: None)

    def times_of(self, leg: int) -> list[float]:
        return [now for number, now, _ in self.ticks if number == leg]

    def _tick(self, number: int, now: float, late_s: float) -> None:
        self.ticks.append((number, now, late_s))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def ticker(clock: Clock) -> Ticker:
    return Ticker(clock)


def test_every_leg_is_called_every_20_ms(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 3)
    clock.run_until(101.0 - SUB_TICK_S)
    for leg in range(3):
        times = legs.times_of(leg)
        assert len(times) == 50
        assert times == pytest.approx([times[0] + index * 0.02 for index in range(50)])


def test_legs_are_spread_over_the_slots(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 2 * SUB_TICKS)
    clock.run_until(100.02 - SUB_TICK_S)
    times = [round(now - 100.0, 6) for _, now, _ in legs.ticks]
    assert times == [round(slot * SUB_TICK_S, 6) for slot in range(SUB_TICKS) for _ in range(2)]


def test_a_leg_that_left_makes_room_for_the_next(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, SUB_TICKS)
    ticker.remove(legs.members[2])
    ticker.remove(legs.members[2])
    clock.run_until(100.02 - SUB_TICK_S)
    assert legs.times_of(2) == []
    ticker.add(legs.members[2], lambda error: None)
    legs.ticks.clear()
    clock.run_until(100.04 - SUB_TICK_S)
    assert [leg for leg, _, _ in legs.ticks] == [0, 1, 2, 3]


def test_lateness_is_told_counted_and_does_not_add_up(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 1)
    clock.run_until(101.0, late_s=0.003)
    assert [late_s for _, _, late_s in legs.ticks] == pytest.approx([0.003] * 50)
    assert ticker.ticks == 200
    assert ticker.late_buckets[LATE_BOUNDS_S.index(0.005)] == 200
    assert ticker.late_sum_s == pytest.approx(0.6)


def test_a_short_stall_is_caught_up(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 1)
    clock.run_until(100.0)
    clock.now = 100.041
    clock.run_until(100.061)
    assert legs.times_of(0) == pytest.approx([100.0, 100.041, 100.041, 100.06])
    assert ticker.skipped == 0


def test_after_a_long_stall_no_leg_sends_a_burst(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, SUB_TICKS)
    clock.run_until(100.02 - SUB_TICK_S)
    legs.ticks.clear()
    clock.now = 101.0
    clock.run_until(101.0)
    for leg in range(SUB_TICKS):
        assert len(legs.times_of(leg)) == MAX_CATCH_UP_FRAMES
    assert ticker.skipped == 197 - MAX_CATCH_UP_FRAMES * SUB_TICKS
    assert ticker.late_buckets[-1] == 1


def test_a_stall_of_any_length_leaves_legs_in_phase(clock: Clock, ticker: Ticker) -> None:
    """Else the audio after it would be off against its timestamps for the rest of the call."""
    legs = Legs(ticker, SUB_TICKS)
    for sub_ticks in range(1, 40):
        began = clock.now
        clock.run_until(began + 0.1)
        clock.now += sub_ticks * SUB_TICK_S
        legs.ticks.clear()
        clock.run_until(clock.now + 0.2)
        for leg in range(SUB_TICKS):
            phase = (legs.times_of(leg)[-1] - 100.0) % (FRAME_MS / 1000)
            assert phase == pytest.approx(leg * SUB_TICK_S, abs=1e-6) or phase > 0.0199


def test_a_tick_that_fails_is_removed_and_told_and_the_others_go_on(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 2)
    errors: list[Exception] = []

    def defective(now: float, late_s: float) -> None:
        raise ValueError("defect")

    ticker.add(defective, errors.append)
    clock.run_until(100.1 - SUB_TICK_S)
    assert [str(error) for error in errors] == ["defect"]
    assert [len(legs.times_of(leg)) for leg in (0, 1)] == [5, 5]


def test_a_tick_may_remove_itself_and_fail(clock: Clock, ticker: Ticker) -> None:
    errors: list[Exception] = []

    def leaving(now: float, late_s: float) -> None:
        ticker.remove(leaving)
        raise ValueError("defect")

    ticker.add(leaving, errors.append)
    others = Legs(ticker, 1)
    clock.run_until(100.1)
    assert len(errors) == 1
    assert len(others.times_of(0)) == 5


def test_without_legs_the_clock_stands_still(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 1)
    clock.run_until(101.0)
    ticker.remove(legs.members[0])
    clock.run_until(102.0)
    assert 200 < ticker.ticks <= 202
    assert not clock.is_set


def test_the_first_leg_after_a_pause_sets_it_going(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 1)
    clock.run_until(101.0)
    ticker.remove(legs.members[0])
    clock.run_until(150.0017)
    legs.ticks.clear()
    ticker.add(legs.members[0], lambda error: None)
    clock.run_until(150.1)
    assert legs.times_of(0) == pytest.approx([150.002 + index * 0.02 for index in range(5)])
    assert [late_s for _, _, late_s in legs.ticks] == pytest.approx([0.0] * 5, abs=1e-6)
    assert ticker.skipped == 0


def test_a_stopped_clock_calls_nobody(clock: Clock, ticker: Ticker) -> None:
    legs = Legs(ticker, 1)
    ticker.stop()
    clock.run_until(101.0)
    assert legs.ticks == []


def test_what_is_due_is_due_at_whole_milliseconds(clock: Clock) -> None:
    """uvloop's timers know no others: one that is due between two would fire before, again and again."""
    clock.now = 100.00037
    legs = Legs(Ticker(clock), 4)
    clock.run_until(101.0)
    milliseconds = [1000 * now for _, now, _ in legs.ticks]
    assert len(milliseconds) >= 4 * 49
    assert milliseconds == [pytest.approx(round(at), abs=1e-6) for at in milliseconds]
