"""What one token may have placed: at once, in a minute, in a day. Pure.

A minute is any 60 s and a day any 24 hours that end now. What waits to be placed now counts as if it were, so
a token can't queue up more than it may place.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from sipagent.config import CapsConfig
from sipagent.outbound.windows import DAY_S, MINUTE_S, Window

#: When to ask again where nothing but the end of a call makes room.
CALL_ENDS_S = 5


@dataclass(frozen=True, slots=True)
class Full:
    """A cap is reached. `rule` is for programs, `retry_after_s` a guess where only a call's end helps."""

    rule: str
    detail: str
    retry_after_s: int


def full_for(
    caps: CapsConfig, placed: Window, on: int, waiting: int, wanted: int, now: float, *, at_once: bool
) -> Full | None:
    """The cap that keeps `wanted` more dials out, None if there is room for them.

    `placed` are the token's calls so far, `on` those that are, `waiting` its dials that no call has been
    placed for. Dials that need not be placed `at_once` may wait for calls to end and for minutes to pass:
    only the day's cap keeps them out.
    """
    if at_once and caps.max_concurrent is not None and on + waiting + wanted > caps.max_concurrent:
        return Full("key_concurrent_cap", f"{on} calls are on, {waiting} wait", CALL_ENDS_S)
    windows = [("key_daily_cap", caps.max_per_day, DAY_S)]
    if at_once:
        windows.insert(0, ("key_minute_cap", caps.max_per_minute, MINUTE_S))
    for rule, most, window_s in windows:
        if most is None:
            continue
        room_at = placed.room_at(most, waiting + wanted, now, window_s)
        if room_at > now:
            wait_s = window_s if room_at == inf else room_at - now
            detail = f"{placed.count(now, window_s)} of {most} were placed, {waiting} wait"
            return Full(rule, detail, ceil(wait_s))
    return None


def opens_at(caps: CapsConfig, placed: Window, on: int, now: float) -> float:
    """When one more call may be placed: `now`, later, or infinity where a call must end before."""
    if caps.max_concurrent is not None and on >= caps.max_concurrent:
        return inf
    rooms = [
        placed.room_at(most, 1, now, window_s)
        for most, window_s in ((caps.max_per_minute, MINUTE_S), (caps.max_per_day, DAY_S))
        if most is not None
    ]
    return max(rooms, default=now)
