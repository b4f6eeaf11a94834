"""What a run of load does when."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.load.plan import SIDES, SPARE_CALLS, Plan


def test_phases_follow_each_other_without_a_gap() -> None:
    phases = Plan(300, 20, 600).phases()
    names = [phase.name for phase in phases]
    assert names == ["ramp", "hold", "outbound", "refused", "cancelled", "transferred", "mixed", "ending"]
    assert phases[0].begins_s == 0
    for phase, following in pairwise(phases):
        assert phase.ends_s == pytest.approx(following.begins_s)
        assert phase.lasts_s > 0


def test_all_calls_are_on_throughout_the_hold() -> None:
    plan = Plan(300, 20, 600)
    assert (plan.ramp_s, plan.call_lasts_s, plan.lasts_s) == (15, 615, 630)
    assert plan.phase_at(14.9).name == "ramp"
    assert plan.phase_at(15.1).name == "hold"
    assert plan.phase_at(614.9).name == "mixed"
    assert plan.phase_at(700).name == "ending"


def test_the_mixture_has_calls_of_every_kind() -> None:
    mixed = Plan(50, 20, 60).phases()[-2]
    assert mixed.sides == SIDES
    assert mixed.side_calls == 14
    assert Plan(50, 20, 60).outbound_calls == 28


def test_a_hold_that_is_too_short_has_no_side_calls() -> None:
    assert [phase.name for phase in Plan(5, 10, 3).phases()] == ["ramp", "hold", "ending"]
    assert [phase.name for phase in Plan(50, 10, 60, has_sides=False).phases()] == ["ramp", "hold", "ending"]


def test_a_rate_of_calls_has_no_ramp() -> None:
    plan = Plan(100, 100, 60, call_s=1.0)
    assert plan.calls_in_all == 6000
    assert plan.room == 100 + 100 + SPARE_CALLS
    assert [phase.name for phase in plan.phases()] == ["rate", "ending"]
    assert plan.lasts_s == 61
