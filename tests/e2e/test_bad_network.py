"""Calls over bad networks through the whole server: the short form of `make impair`, and one clean call."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.calls import bench
from benchmarks.conversation import words
from benchmarks.impairments import CLEAN, CLEAN_MINUTE, DRIFTS, JITTER_20, LOSS_3, Row
from benchmarks.matrix import summary
from benchmarks.speech import VOICES
from rtp import g711
from tests.e2e.support.bad_network import TUN
from tests.e2e.support.namespaces import IS_ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.alone,
    pytest.mark.skipif(not (IS_ROOT and TUN.exists()), reason="needs root and TUN devices"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of pystoi, where there is silence
]
CLEAN_S, BAD_S = 10, 5
CALLS = 2


async def test_ten_seconds_over_a_clean_network() -> None:
    """PESQ is that of G.711 alone, nothing is altered, and the agent's speech has no hole."""
    async with bench(CLEAN_S) as place:
        result = summary(CLEAN, [each.figures() for each in await place.talk(CLEAN.conditions(1))])
    assert not result.missed, result.mean


async def test_loss_and_jitter() -> None:
    async with bench(BAD_S) as place:
        for row in (LOSS_3, JITTER_20):
            calls = [each.figures() for each in await place.talk(*[row.conditions(CALLS)] * CALLS)]
            result = summary(row, calls)
            assert not result.missed, (row.name, result.mean)


def as_heard_by_the_model(row: Row) -> Row:
    return msgspec.structs.replace(row, holds=tuple(h for h in row.holds if h.figure != "pesq_caller"))


@pytest.mark.slow
@pytest.mark.paced
@pytest.mark.timeout(400)
async def test_a_minute_over_a_clean_network_and_with_clocks_that_drift() -> None:
    """All calls at once, so that it takes a minute. A telephone whose clock is off by 30 ms in the end has to
    insert or leave out a frame itself, which costs some of what it hears."""
    rows = (CLEAN_MINUTE, *map(as_heard_by_the_model, DRIFTS))
    async with bench(CLEAN_MINUTE.seconds) as place:
        calls = await place.talk(*(row.conditions(1) for row in rows))
        results = [summary(row, [each.figures()]) for row, each in zip(rows, calls, strict=True)]
    spoken = g711.pcm_to_ulaw(words(VOICES[1], CLEAN_MINUTE.seconds).tobytes())
    for each, result in zip(calls, results, strict=True):
        assert not result.missed, (result.row.name, result.mean)
        assert spoken in b"".join(packet.payload for _, packet in each.packets), result.row.name
