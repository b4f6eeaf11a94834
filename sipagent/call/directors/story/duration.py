"""The longest duration of a call: a warning in time, and a goodbye before the call is cut off. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sipagent import events
from sipagent.call.directors.director import Command, HangUp
from sipagent.call.directors.story.announcer import Announcer
from sipagent.call.directors.story.farewell import Ending, Farewell
from sipagent.call.directors.story.floor import Floor
from sipagent.config.story import Announcement, DurationWarningConfig
from sipagent.errors import EndReason

GOODBYE_S = 10.0
"""So long before the limit the goodbye begins, but never in the first three quarters of the call."""


class Duration:
    """A part of the story. The limit counts from `LegReady`, as that of the session does, which is the last
    word."""

    def __init__(
        self,
        call_id: str,
        max_duration_s: float,
        warning: DurationWarningConfig | None,
        goodbye: Announcement | None,
        floor: Floor,
        farewell: Farewell,
    ) -> None:
        self._max_duration_s = max_duration_s
        self._warning = warning
        self._goodbye = goodbye
        self._floor = floor
        self._farewell = farewell
        self._announcer = Announcer(call_id, floor, "duration")
        self._warn_at: float | None = None
        self._leave_at: float | None = None

    def begin(self, began: float, now: float) -> None:
        """The call counts from `began`. What would have come before `now` doesn't come."""
        limit = self._max_duration_s
        if self._warning is not None and now <= (warn_at := began + limit - self._warning.before_s):
            self._warn_at = warn_at
        if self._goodbye is not None and now <= (leave_at := began + limit - min(GOODBYE_S, limit / 4)):
            self._leave_at = leave_at

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        self._announcer.hear(event, now)
        if isinstance(event, events.LegReady):
            self.begin(now, now)
        return self._warn(now)

    def next_timer(self) -> float | None:
        warn_at = None if self._floor.caller_speaks else self._warn_at
        timers = (warn_at, self._leave_at, self._announcer.next_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    def on_timer(self, now: float) -> Iterable[Command]:
        self._announcer.on_timer(now)
        if self._leave_at is not None and self._leave_at <= now:
            self._leave_at = self._warn_at = None
            hang_up = HangUp(reason=EndReason.MAX_DURATION, detail=f"{self._max_duration_s:g} s")
            return self._farewell.begin(Ending(hang_up, self._goodbye, yields=False), now)
        return self._warn(now)

    def _warn(self, now: float) -> Iterable[Command]:
        """The warning, if it is due and doesn't cut the caller's word."""
        if self._warning is None or self._warn_at is None or now < self._warn_at or self._floor.caller_speaks:
            return []
        self._warn_at = None
        return [] if self._farewell.is_under_way else self._announcer.announce(self._warning, now)
