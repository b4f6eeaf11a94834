"""Which directors a call has."""

from __future__ import annotations

from sipagent.call.directors import Director, Scene
from sipagent.call.finishing import Finishing
from sipagent.call.house import House
from sipagent.call.story.director import Story
from sipagent.call.tool_desk import ToolDesk
from sipagent.config import OpenAIRealtimeConfig


def directors_of(scene: Scene, house: House) -> tuple[Director, ...]:
    """Those that this call needs, in the order in which they are asked."""
    directors: list[Director] = [Finishing(), Story(scene)]
    if isinstance(scene.agent.backend, OpenAIRealtimeConfig):
        directors.append(ToolDesk(scene, house.tools))
    return tuple(directors)
