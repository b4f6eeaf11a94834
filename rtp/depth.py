"""How long the jitter buffer lets a gap wait: the measured jitter, and packets it gave up too soon."""

from math import exp2

from rtp.params import JitterConfig
from rtp.reception import InterarrivalJitter

JITTER_FACTOR = 3.0
"""Depth over mean deviation; for normal jitter this covers 99.9 % of packets."""
PEAK_HALF_LIFE_S = 10.0


class AdaptiveDepth:
    """The depth in ms, within the bounds of the configuration."""

    __slots__ = ("_config", "_jitter", "_peak_at", "_peak_ms")

    def __init__(self, config: JitterConfig, jitter: InterarrivalJitter) -> None:
        self._config = config
        self._jitter = jitter
        self._peak_ms = 0.0
        self._peak_at = 0.0

    def ms(self, now: float) -> float:
        """What a gap that opens now should wait."""
        wanted = max(JITTER_FACTOR * self._jitter.ms, self._peak(now))
        return min(self._config.max_ms, max(self._config.min_ms, wanted))

    def missed_by(self, late_ms: float, now: float) -> None:
        """A packet came that long after its gap had opened: wait for such ones, and forget it gradually."""
        self._peak_ms = max(self._peak(now), late_ms)
        self._peak_at = now

    def _peak(self, now: float) -> float:
        return self._peak_ms * exp2(-max(now - self._peak_at, 0.0) / PEAK_HALF_LIFE_S)
