"""Which directors a call has."""

from __future__ import annotations

from sipagent.call.directors import Director, Scene
from sipagent.call.finishing import Finishing
from sipagent.call.house import House


def directors_of(scene: Scene, house: House) -> tuple[Director, ...]:
    """Those that this call needs, in the order in which they are asked."""
    return (Finishing(),)
