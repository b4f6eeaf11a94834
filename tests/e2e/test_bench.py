"""`make bench` in small: three calls whose audio goes both ways, what they cost, and what they must cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cost import floor, macro
from benchmarks.cost.conditions import Conditions

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.mark.parametrize(
    "conditions", [Conditions(calls=3), Conditions(calls=3, tls=True, srtp=True, audio="pcm24")]
)
async def test_what_calls_cost_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, conditions: Conditions
) -> None:
    monkeypatch.setattr(macro, "SETTLE_S", 0.5)
    monkeypatch.setattr(macro, "MEASURE_S", 2.0)
    cost = await macro.measure(tmp_path, conditions)
    assert cost.workers_percent > 0
    assert cost.lost_out == 0
    assert cost.sent_in == pytest.approx(50, rel=0.2)


async def test_the_floor_is_told(tmp_path: Path) -> None:
    assert 0 < await floor.measure(tmp_path, calls=20, seconds=1.0) < 1
