"""Ends the call of a backend that has done its part: the prompt was played, the message was taken. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sipagent import events
from sipagent.call.directors.director import Command, HangUp
from sipagent.errors import EndReason


class Finishing:
    """A director. What the backend said has gone out by then."""

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        if isinstance(event, events.BackendFinished):
            yield HangUp(reason=EndReason(event.outcome), detail=event.detail)

    def next_timer(self) -> float | None:
        return None

    def on_timer(self, now: float) -> Iterable[Command]:
        return ()

    def close(self) -> None:
        pass
