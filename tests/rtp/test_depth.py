import pytest

from rtp.depth import PEAK_HALF_LIFE_S, AdaptiveDepth
from rtp.params import JitterConfig
from rtp.reception import InterarrivalJitter
from tests.rtp.streams import stream


def test_depth_follows_jitter_within_its_bounds() -> None:
    jitter = InterarrivalJitter(8000)
    depth = AdaptiveDepth(JitterConfig(min_ms=40, max_ms=100), jitter)
    assert depth.ms(0.0) == 40
    for packet, at in stream(10.0, jitter_ms=20):
        jitter.update(packet.timestamp, at)
    assert 50 < depth.ms(110.0) < 100
    for packet, at in stream(10.0, jitter_ms=80):
        jitter.update(packet.timestamp, at)
    assert depth.ms(120.0) == 100


def test_a_packet_that_came_too_late_is_remembered_for_a_while() -> None:
    depth = AdaptiveDepth(JitterConfig(min_ms=40, max_ms=200), InterarrivalJitter(8000))
    depth.missed_by(120, now=0.0)
    depth.missed_by(50, now=0.0)
    assert depth.ms(0.0) == 120
    assert depth.ms(PEAK_HALF_LIFE_S) == pytest.approx(60)
    assert depth.ms(60.0) == 40
