"""The configuration of now."""

from __future__ import annotations

from dataclasses import dataclass

from sipagent.config import Config


@dataclass(slots=True)
class CurrentConfig:
    """Holds the configuration that calls begin with. Its one writer is `call.reloading`.

    Whoever needs one configuration for longer than a moment keeps the value itself: each is frozen.
    """

    config: Config
