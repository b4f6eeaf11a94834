"""Which directors a call has."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sipagent.call.directors import Director, Scene
from sipagent.call.fallback import Fallback
from sipagent.call.finishing import Finishing
from sipagent.call.history import History
from sipagent.call.house import House
from sipagent.call.rollover import Rollover
from sipagent.call.story.director import Story
from sipagent.call.tool_desk import ToolDesk


@dataclass(frozen=True, slots=True)
class Cast:
    """All who direct a call, in the order in which they are asked, and two of them by name."""

    directors: tuple[Director, ...]
    history: History
    fallback: Fallback


def cast_of(scene: Scene, house: House) -> Cast:
    """History hears every event first: the others ask it."""
    history, agents = History(), house.config.agents
    fallback = Fallback(scene, agents, history)
    rollover = Rollover(scene, agents, history, time.time() - time.monotonic())
    return Cast((history, *directors_of(scene, house), fallback, rollover), history, fallback)


def directors_of(scene: Scene, house: House) -> tuple[Director, ...]:
    """Those that this call needs, in the order in which they are asked."""
    agents = house.config.agents
    return (Finishing(), Story(scene, agents), ToolDesk(scene, house.tools, agents))
