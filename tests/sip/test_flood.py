"""When requests from nowhere are taken for a flood, and when for over."""

from __future__ import annotations

from sipagent.sip.flood import CALM_S, FLOOD_PER_S, FloodWatch

SAMPLE = 256


def look(watch: FloodWatch, counted: float, now: float) -> FloodWatch:
    return watch.after(int(counted), now, SAMPLE)


def flooded() -> FloodWatch:
    """Since second 1, with twice the limit counted until then."""
    return look(look(FloodWatch(), 0, 0.0), 2 * FLOOD_PER_S, 1.0)


def test_what_was_counted_before_the_first_look_is_no_flood() -> None:
    assert not look(FloodWatch(), 10 * FLOOD_PER_S, 0.0).is_flood


def test_scanners_are_no_flood_for_however_long() -> None:
    watch = FloodWatch()
    for second in range(100):
        watch = look(watch, second * FLOOD_PER_S / 2, float(second))
        assert not watch.is_flood


def test_a_look_that_comes_late_goes_by_the_time_that_passed() -> None:
    watch = look(FloodWatch(), 0, 0.0)
    assert not look(watch, 1.5 * FLOOD_PER_S, 2.0).is_flood
    assert look(watch, 1.5 * FLOOD_PER_S, 1.0).is_flood


def test_a_flood_goes_on_as_long_as_its_samples_do() -> None:
    watch, counted = flooded(), 2 * FLOOD_PER_S
    for second in range(2, 60):
        counted += 2 * FLOOD_PER_S / SAMPLE
        watch = look(watch, counted, float(second))
        assert watch.is_flood


def test_a_flood_is_over_after_some_calm() -> None:
    watch, counted = flooded(), 2 * FLOOD_PER_S
    assert look(watch, counted, CALM_S).is_flood
    over = look(watch, counted, 1.0 + CALM_S)
    assert not over.is_flood
    assert not look(over, counted, 2.0 + CALM_S).is_flood
