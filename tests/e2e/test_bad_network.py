"""Calls over bad networks through the whole server: the short form of `make impair`, and one clean call."""

from __future__ import annotations

import pytest

from benchmarks.calls import bench
from benchmarks.impairments import CLEAN, JITTER_20, LOSS_3
from benchmarks.matrix import summary
from tests.e2e.support.bad_network import TUN
from tests.e2e.support.namespaces import IS_ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (IS_ROOT and TUN.exists()), reason="needs root and TUN devices"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of pystoi, where there is silence
]
CLEAN_S, BAD_S = 10, 5
CALLS = 2


async def test_ten_seconds_over_a_clean_network() -> None:
    """PESQ is that of G.711 alone, nothing is altered, and the agent's speech has no hole."""
    async with bench(CLEAN_S) as place:
        result = summary(CLEAN, [each.figures() for each in await place.talk(CLEAN.conditions(1), 1)])
    assert not result.missed, result.mean


async def test_loss_and_jitter() -> None:
    async with bench(BAD_S) as place:
        for row in (LOSS_3, JITTER_20):
            calls = [each.figures() for each in await place.talk(row.conditions(CALLS), CALLS)]
            result = summary(row, calls)
            assert not result.missed, (row.name, result.mean)
