"""An agent's tools, which all its calls share, and what it can't do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jsonschema.protocols import Validator

from sipagent.config import AgentConfig
from sipagent.config.tools import FunctionToolConfig, HttpToolConfig, RemoteToolConfig, functions
from sipagent.tools.arguments import validator
from sipagent.tools.breaker import Breaker, BreakerState


@dataclass(eq=False)
class Tool:
    """One tool of one agent. The breaker is None where nothing outside can fail."""

    name: str
    config: FunctionToolConfig
    schema: Validator
    breaker: Breaker | None = None
    is_noted_down: bool = False

    @property
    def health_url(self) -> str | None:
        """Where to ask whether it is back; None where only a call can find out."""
        return self.config.health_url if isinstance(self.config, HttpToolConfig) else None

    @property
    def is_essential(self) -> bool:
        return isinstance(self.config, RemoteToolConfig) and self.config.essential


@dataclass(eq=False)
class Bench:
    """Watchers are told whenever a tool goes down or comes back: they get `missing`."""

    agent: AgentConfig
    tools: dict[str, Tool]
    watchers: set[Callable[[list[str]], None]] = field(default_factory=set)

    def missing(self) -> list[str]:
        """The tools that are down, if the agent can't do without: one is essential, or there is no other."""
        remote = [tool for tool in self.tools.values() if tool.breaker is not None]
        down = [tool for tool in remote if tool.breaker and not tool.breaker.is_closed]
        if any(tool.is_essential for tool in down) or (remote and len(down) == len(remote)):
            return sorted(tool.name for tool in down)
        return []

    def missing_for_new(self, now: float) -> list[str]:
        """As `missing`, for a call that begins: it finds out about tools that are due for a trial, if nobody
        asks for their health."""
        tried = [tool for tool in self.tools.values() if tool.breaker is not None and tool.health_url is None]
        is_due = any(tool.breaker and tool.breaker.state(now) is BreakerState.HALF_OPEN for tool in tried)
        return [] if is_due else self.missing()

    def tell_watchers(self) -> None:
        missing = self.missing()
        for watcher in list(self.watchers):
            watcher(missing)


def bench_of(agent: AgentConfig) -> Bench:
    """The tools as configured, all taken for well."""
    return Bench(
        agent,
        {
            name: Tool(
                name,
                config,
                validator(config.declared()),
                Breaker(config.breaker) if isinstance(config, RemoteToolConfig) else None,
            )
            for name, config in functions(agent.tools)
        },
    )
