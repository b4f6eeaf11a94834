"""Counts by upper bound: adding them up, and what can be said of their percentiles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate


def total(rows: Iterable[Sequence[int]]) -> list[int]:
    """Bucket by bucket."""
    return [sum(column) for column in zip(*rows, strict=True)]


def percentile(counts: Sequence[float], bounds: Sequence[float], percent: float) -> float:
    """Interpolated within its bucket, as Prometheus does; above the last bound: infinity, and 0 of nothing.

    `counts` has a bucket for each of the ascending `bounds`, and one above.
    """
    if not (whole := sum(counts)):
        return 0.0
    wanted = whole * percent / 100
    lower, before = 0.0, 0.0
    for bound, count, upto in zip(bounds, counts, accumulate(counts), strict=False):
        if upto >= wanted and count:
            return lower + (bound - lower) * (wanted - before) / count
        lower, before = bound, upto
    return float("inf")
