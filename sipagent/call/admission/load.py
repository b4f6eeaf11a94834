"""What the server carries now: who holds a permit, what the rates still allow, and which backends are up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from sipagent import events
from sipagent.call.admission.backend_health import BackendsHealth
from sipagent.call.admission.question import Load
from sipagent.call.admission.rates import CallRates
from sipagent.config import Config


class CallLoad:
    """Counts admitted calls and hears what they tell of backends. Its one writer is the control loop.

    `workers` says what share of the media workers' time is taken, None if that isn't known. It is asked for
    every call that comes in: whoever knows more of the workers' headroom says it there.
    """

    def __init__(
        self,
        config: Config,
        now: float,
        workers: Callable[[], float | None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.draining = False
        self._by_trunk: Counter[str] = Counter()
        self._rates = CallRates.full(config, now)
        self._health_settings = config.backend_health
        self._agents = frozenset(config.agents)
        self._backends = BackendsHealth({})
        self._workers = workers
        self._clock = clock

    @property
    def calls(self) -> int:
        return self._by_trunk.total()

    def snapshot(self) -> Load:
        return Load(
            self.calls,
            dict(self._by_trunk),
            self.draining,
            self._rates,
            self._clock(),
            self._workers(),
            self._backends.by_agent,
        )

    def backends_up(self) -> Mapping[str, bool]:
        """Whether the backend of each agent counts as up."""
        known = self._backends.by_agent
        return {agent: agent not in known or known[agent].is_up for agent in self._agents}

    def observe(self, event: events.Event, agent: str | None) -> None:
        """An event of a call that `agent` answers, None as long as nobody does."""
        if agent is not None:
            self._backends = self._backends.after(event, agent, self._health_settings)

    def reconfigure(self, config: Config, now: float) -> None:
        """Go by another configuration. Calls that are on, and those just taken, still count."""
        self._rates = self._rates.reconfigured(config, now)
        self._health_settings = config.backend_health
        self._agents = frozenset(config.agents)
        self._backends = self._backends.kept(config.agents)

    @contextmanager
    def permit(self, trunk: str, now: float) -> Iterator[None]:
        """Held by an admitted call for as long as it lives."""
        self._rates = self._rates.after_call(trunk, now)
        self._by_trunk[trunk] += 1
        try:
            yield
        finally:
            self._by_trunk[trunk] -= 1
