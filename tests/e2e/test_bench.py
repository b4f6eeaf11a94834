"""`make bench` in small: three calls whose audio goes both ways, and what they cost."""

from __future__ import annotations

import pytest

from benchmarks.cost import macro
from benchmarks.cost.macro import Conditions

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("secure", [False, True])
async def test_what_calls_cost_is_told(monkeypatch: pytest.MonkeyPatch, secure: bool) -> None:
    monkeypatch.setattr(macro, "SETTLE_S", 0.5)
    monkeypatch.setattr(macro, "MEASURE_S", 1.0)
    cost = await macro.measure(Conditions(3, tls=secure, srtp=secure, audio="pcm24" if secure else "auto"))
    assert cost.workers_share > 0
    assert cost.lost_out == 0
    assert cost.sent_in == pytest.approx(50, rel=0.2)
