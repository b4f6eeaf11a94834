"""Which directors a call has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sipagent import events
from sipagent.call.directors.director import Command, Director, Scene
from sipagent.call.directors.fallback import Fallback
from sipagent.call.directors.finishing import Finishing
from sipagent.call.directors.history import History
from sipagent.call.directors.rollover import Rollover
from sipagent.call.directors.story.director import Story
from sipagent.call.directors.tool_desk import ToolDesk
from sipagent.call.house import House
from sipagent.call.transfer.director import Line, Transfers
from sipagent.config import AgentConfig


@dataclass(frozen=True, slots=True)
class Cast:
    """All who direct a call, in the order in which they are asked, and some of them by name.

    It is a director itself. What one of them wants is done before the next is asked.
    """

    directors: tuple[Director, ...]
    history: History
    fallback: Fallback
    transfers: Transfers

    def on_event(self, event: events.Event, now: float) -> Iterator[Command]:
        for director in self.directors:
            yield from director.on_event(event, now)

    def next_timer(self) -> float | None:
        timers = (director.next_timer() for director in self.directors)
        return min((timer for timer in timers if timer is not None), default=None)

    def on_timer(self, now: float) -> Iterator[Command]:
        for director in self.directors:
            due = director.next_timer()
            if due is not None and due <= now:
                yield from director.on_timer(now)

    def close(self) -> None:
        for director in self.directors:
            director.close()


def cast_of(scene: Scene, line: Line, house: House, agents: Mapping[str, AgentConfig]) -> Cast:
    """History hears every event first: the others ask it. `agents` may take over from the first."""
    history = History()
    fallback = Fallback(scene, agents, history)
    rollover = Rollover(scene, agents, history, time.time() - time.monotonic())
    transfers = Transfers(line, house)
    directors = (history, *directors_of(scene, house, agents), fallback, rollover, transfers)
    return Cast(directors, history, fallback, transfers)


def directors_of(scene: Scene, house: House, agents: Mapping[str, AgentConfig]) -> tuple[Director, ...]:
    """Those that this call needs, in the order in which they are asked."""
    return (Finishing(), Story(scene, agents), ToolDesk(scene, house.tools, agents))
