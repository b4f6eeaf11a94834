"""The figures of docs/audio-quality.md, measured anew."""

from itertools import product
from statistics import mean

import pytest

from benchmarks import plc, resample
from rtp.resample import PolyphaseResampler

Scores = dict[tuple[str, str, float], float]

FLOORS = {0.01: 3.6, 0.03: 2.7, 0.05: 2.6, 0.10: 2.2}
"""PESQ at each rate of random loss."""


@pytest.fixture(scope="module")
def scores() -> Scores:
    return plc.means(("repeat", "ours"), plc.VOICES[:1])


@pytest.mark.e2e
def test_speech_stays_clear_under_loss(scores: Scores) -> None:
    for rate, floor in FLOORS.items():
        assert scores["ours", "random", rate] >= floor


@pytest.mark.e2e
def test_concealment_beats_repetition(scores: Scores) -> None:
    gains = [
        scores["ours", pattern, rate] - scores["repeat", pattern, rate]
        for pattern, rate in product(plc.PATTERNS, plc.RATES)
    ]
    assert min(gains) >= -0.02
    assert mean(gains) > 0.25


@pytest.mark.parametrize(("src", "dst"), resample.PAIRS)
def test_live_resampling_is_quick_and_keeps_aliases_out(src: int, dst: int) -> None:
    assert resample.delay_ms(PolyphaseResampler(src, dst).process, src, dst) <= 5
    assert resample.rejection_db(lambda: PolyphaseResampler(src, dst).process, src, dst) >= 45
