"""When nobody speaks: a reminder, some times; then goodbye. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sipagent import events
from sipagent.call.directors.director import Command, HangUp
from sipagent.call.directors.story.announcer import Announcer
from sipagent.call.directors.story.farewell import Ending, Farewell
from sipagent.call.directors.story.floor import Floor
from sipagent.config.story import Announcement, SilenceConfig
from sipagent.errors import EndReason


class Silence:
    """A part of the story. Whatever the caller says or presses begins it anew."""

    def __init__(
        self,
        call_id: str,
        config: SilenceConfig,
        goodbye: Announcement | None,
        floor: Floor,
        farewell: Farewell,
    ) -> None:
        self._config = config
        self._goodbye = goodbye
        self._floor = floor
        self._farewell = farewell
        self._announcer = Announcer(call_id, floor, "silence")
        self._reminded = 0

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        self._announcer.hear(event, now)
        if isinstance(event, (events.SpeechStarted, events.DigitReceived)):
            self._reminded = 0
        return []

    def next_timer(self) -> float | None:
        if self._announcer.is_busy:
            return self._announcer.next_timer()
        since = self._floor.quiet_since
        return None if since is None or self._farewell.is_under_way else since + self._config.after_s

    def on_timer(self, now: float) -> Iterable[Command]:
        if self._announcer.is_busy:
            self._announcer.on_timer(now)
            return []
        if self._reminded < self._config.times:
            self._reminded += 1
            return self._announcer.announce(self._config, now)
        detail = f"{self._config.times} reminders after {self._config.after_s:g} s each"
        return self._farewell.begin(
            Ending(HangUp(reason=EndReason.CALLER_SILENT, detail=detail), self._goodbye), now
        )
