"""When frames are due: an absolute schedule that neither drifts nor bursts."""

from math import floor

MAX_CATCH_UP = 3
"""Frames sent at once after a stall; what is due beyond that is skipped, because a phone discards a burst."""

_BUCKET_MS = 0.25
_BUCKETS = 200


class LatenessHistogram:
    """Lateness in ms, in buckets of 0.25 ms up to 50 ms; the maximum is exact."""

    __slots__ = ("_buckets", "count", "max_ms")

    def __init__(self) -> None:
        self._buckets = [0] * (_BUCKETS + 1)
        self.count = 0
        self.max_ms = 0.0

    def add(self, late_ms: float) -> None:
        """Count one frame; a negative lateness counts as none."""
        self.count += 1
        self.max_ms = max(self.max_ms, late_ms)
        self._buckets[min(max(int(late_ms / _BUCKET_MS), 0), _BUCKETS)] += 1

    def percentile_ms(self, percent: float) -> float:
        """The upper edge of the bucket that holds this percentile; 0.0 without any frame."""
        threshold, seen = self.count * percent / 100, 0
        for bucket, count in enumerate(self._buckets[:-1]):
            seen += count
            if count and seen >= threshold:
                return min((bucket + 1) * _BUCKET_MS, self.max_ms)
        return self.max_ms


class Pacer:
    """Frame n is due at `start + n * interval_ms`, whatever happened to the frames before it."""

    __slots__ = ("_interval_s", "_next", "_start", "lateness", "max_catch_up", "skipped")

    def __init__(self, start: float, interval_ms: float = 20.0, max_catch_up: int = MAX_CATCH_UP) -> None:
        self.lateness = LatenessHistogram()
        self.max_catch_up = max_catch_up
        self.skipped = 0
        """Frames never sent, because a stall left more due than may be caught up."""
        self._start = start
        self._interval_s = interval_ms / 1000
        self._next = 0

    def restart(self, start: float) -> None:
        """Frame 0 is due at `start`, after a pause in which none was. Counts go on."""
        self._start, self._next = start, 0

    @property
    def next_due(self) -> float:
        """When the next frame is due, in monotonic seconds."""
        return self._start + self._next * self._interval_s

    def due(self, now: float) -> int:
        """Frames to send now, at most `max_catch_up`. They count as sent: ask once, send them all."""
        # A timer may fire a microsecond early by float rounding; that frame is due nevertheless.
        slot = floor((now - self._start) / self._interval_s + 1e-6)
        frames = slot - self._next + 1
        if frames <= 0:
            return 0
        self.lateness.add(1000 * (now - self.next_due))
        self._next = slot + 1
        self.skipped += max(frames - self.max_catch_up, 0)
        return min(frames, self.max_catch_up)
