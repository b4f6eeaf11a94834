"""When requests from nowhere are a flood, by how many of them are counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Scanners send tens in a second; from here on they may take the place of what trunks send.
FLOOD_PER_S = 200.0
#: A flood is over when there was less than that for so long.
CALM_S = 10.0


@dataclass(frozen=True, slots=True)
class FloodWatch:
    """What was known at the last look. `seen` is how many requests had been counted since `since`'s look."""

    is_flood: bool = False
    since: float = float("-inf")
    seen: int = 0

    def after(self, counted: int, now: float, sample: int) -> FloodWatch:
        """A look at the counter, about once a second. During a flood it counts one in `sample`."""
        lasted = now - self.since
        if lasted == float("inf"):
            return replace(self, since=now, seen=counted)
        if not self.is_flood:
            return FloodWatch((counted - self.seen) > FLOOD_PER_S * lasted, now, counted)
        if (counted - self.seen) * sample > FLOOD_PER_S * CALM_S:
            return FloodWatch(True, now, counted)
        return FloodWatch(False, now, counted) if lasted >= CALM_S else self
