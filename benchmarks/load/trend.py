"""Whether something grows: a straight line through measurements, and how sure its slope is. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

#: Two-sided 95 %, of the normal distribution: there are always dozens of points.
_Z95 = 1.96


class Slope(msgspec.Struct, frozen=True):
    """Per hour. `low` and `high` hold the true slope in 95 % of cases.

    Neighbouring measurements of memory are alike, so the residuals' correlation widens the interval.
    """

    per_hour: float
    low: float
    high: float

    @property
    def is_flat(self) -> bool:
        """Zero is among what it may be."""
        return self.low <= 0.0 <= self.high


def slope(times_s: Sequence[float], values: Sequence[float]) -> Slope:
    """By least squares. Raises ValueError of fewer than 3 points."""
    if len(times_s) < 3:
        raise ValueError("a slope needs three points")
    hours = np.asarray(times_s, np.float64) / 3600
    hours -= hours.mean()
    measured = np.asarray(values, np.float64)
    spread = float(hours @ hours)
    per_hour = float(hours @ (measured - measured.mean())) / spread
    residuals = measured - measured.mean() - per_hour * hours
    variance = float(residuals @ residuals) / (len(hours) - 2)
    error = float(np.sqrt(variance / spread)) * _inflation(residuals)
    return Slope(per_hour, per_hour - _Z95 * error, per_hour + _Z95 * error)


def _inflation(residuals: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """By how much fewer independent points there are than points: of a first-order autoregression."""
    power = float(residuals @ residuals)
    if power == 0.0:
        return 1.0
    likeness = min(0.99, max(0.0, float(residuals[1:] @ residuals[:-1]) / power))
    return float(np.sqrt((1 + likeness) / (1 - likeness)))
