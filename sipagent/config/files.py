"""All files of a configuration, before they are one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sipagent.config.agent import AgentConfig
from sipagent.config.prices import PricesConfig
from sipagent.config.routes import RoutesConfig
from sipagent.config.server import ServerConfig
from sipagent.config.trunk import TrunkConfig
from sipagent.config.validation import Loaded


@dataclass(frozen=True, slots=True)
class Files:
    """The files as read, the invalid ones with `section` None."""

    server: Loaded[ServerConfig]
    trunks: tuple[Loaded[TrunkConfig], ...]
    agents: tuple[Loaded[AgentConfig], ...]
    prices: Loaded[PricesConfig] | None = None
    routes: Loaded[RoutesConfig] | None = None

    def __iter__(self) -> Iterator[Loaded[Any]]:
        yield self.server
        yield from self.trunks
        yield from self.agents
        yield from (each for each in (self.prices, self.routes) if each is not None)
