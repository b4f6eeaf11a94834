"""Which agents' backends are down, by what their calls tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sipagent import events
from sipagent.config import BackendHealthConfig
from sipagent.errors import ReasonCode

#: What a leg says that fails for want of its backend.
BACKEND_CODES = frozenset(
    {ReasonCode.BACKEND_UNREACHABLE, ReasonCode.BACKEND_REFUSED, ReasonCode.BACKEND_NOT_READY}
)


@dataclass(frozen=True, slots=True)
class BackendHealth:
    """A circuit breaker. `down_since` is set once it failed too often in a row; then no call gets to it but
    one every now and then, the first at `try_at`, until one finds it up. `cause` is the last failure.
    """

    failures: int = 0
    down_since: float | None = None
    try_at: float = 0.0
    cause: str = ""

    @property
    def is_up(self) -> bool:
        return self.down_since is None

    def wait_s(self, now: float) -> float:
        """How long until a call may try; 0 if one may now."""
        return 0.0 if self.is_up else max(0.0, self.try_at - now)

    def failed(self, cause: str, now: float, settings: BackendHealthConfig) -> BackendHealth:
        failures = self.failures + 1
        if self.is_up and failures < settings.down_after_failures:
            return replace(self, failures=failures, cause=cause)
        since = now if self.down_since is None else self.down_since
        return BackendHealth(failures, since, now + settings.retry_s, cause)

    def tried(self, now: float, settings: BackendHealthConfig) -> BackendHealth:
        """A call goes to it: others wait for what comes of that, or for the next turn."""
        return self if self.is_up else replace(self, try_at=now + settings.retry_s)


@dataclass(frozen=True, slots=True)
class BackendsHealth:
    """The backends of all agents that were heard of, by the agent's name. A value: `after` gives the next."""

    by_agent: Mapping[str, BackendHealth]

    def after(self, event: events.Event, agent: str, settings: BackendHealthConfig) -> BackendsHealth:
        """What an event of a call that `agent` answers says about its backend."""
        match event:
            case events.CallAdmitted():
                return self._changed(agent, self._of(agent).tried(event.at, settings))
            case events.LegReady():
                return self._changed(event.agent or agent, BackendHealth())
            case events.BackendReplaced():
                return self._changed(event.agent, BackendHealth())
            case events.LegFailed() if event.reason_code in BACKEND_CODES:
                return self._failed(agent, event.reason_code, event.detail, event.at, settings)
            case events.BackendDown() | events.BackendNotReplaced():
                return self._failed(event.agent, event.code, event.message, event.at, settings)
            case _:
                return self

    def kept(self, agents: Mapping[str, object]) -> BackendsHealth:
        """Without those of agents that are no more."""
        return BackendsHealth({name: each for name, each in self.by_agent.items() if name in agents})

    def _failed(
        self, agent: str, code: str, detail: str, now: float, settings: BackendHealthConfig
    ) -> BackendsHealth:
        cause = f"{code}: {detail}" if detail else code
        return self._changed(agent, self._of(agent).failed(cause, now, settings))

    def _of(self, agent: str) -> BackendHealth:
        return self.by_agent.get(agent, BackendHealth())

    def _changed(self, agent: str, health: BackendHealth) -> BackendsHealth:
        if self._of(agent) == health:
            return self
        return BackendsHealth({**self.by_agent, agent: health})
