"""Opens a fresh session before the one there is comes to its end, and lets it take over unheard. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sipagent import events
from sipagent.call.directors.director import Command, Scene
from sipagent.call.directors.history import History
from sipagent.config import AgentConfig, OpenAIRealtimeConfig
from sipagent.worker.orders import Recall, UseBackend

#: How long before its end a session is replaced, at most, and as a part of its life.
BEFORE_END_S, BEFORE_END_SHARE = 300.0, 0.2
RETRY_S = 10.0


class Rollover:
    """A director. `unix_offset_s` is what makes Unix time of monotonic seconds."""

    def __init__(
        self, scene: Scene, agents: Mapping[str, AgentConfig], history: History, unix_offset_s: float
    ) -> None:
        self._scene = scene
        self._agents = {**agents, scene.agent.name: scene.agent}
        self._agent = scene.agent
        self._history = history
        self._unix_offset_s = unix_offset_s
        self._due: float | None = None
        self._is_rolling = False

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        match event:
            case events.LegReady():
                self._agent = self._agents.get(event.agent, self._agent)
                self._begun(event.expires_at, now)
            case events.BackendReplaced():
                self._agent = self._agents.get(event.agent, self._agent)
                self._begun(event.expires_at, now)
                if self._is_rolling:
                    self._is_rolling = False
                    if rest := self._history.rest():
                        yield Recall(call_id=self._scene.call_id, history=rest)
                    rolled = events.SessionRolledOver(call_id=self._scene.call_id, at=now, agent=event.agent)
                    self._scene.tell(rolled)
            case events.BackendNotReplaced() if self._is_rolling:
                self._is_rolling, self._due = False, now + RETRY_S
            case events.BackendDown() | events.LegRehomed():
                self._is_rolling, self._due = False, None

    def next_timer(self) -> float | None:
        return self._due

    def on_timer(self, now: float) -> Iterable[Command]:
        self._due, self._is_rolling = None, True
        yield UseBackend(
            call_id=self._scene.call_id,
            agent=self._agent.model_dump_json(),
            history=self._history.items(),
        )

    def close(self) -> None:
        pass

    def _begun(self, expires_at: float | None, now: float) -> None:
        """A session has begun, of which it is known when it ends, or assumed."""
        backend = self._agent.backend
        if not isinstance(backend, OpenAIRealtimeConfig):
            self._due = None
            return
        told_s = expires_at - self._unix_offset_s - now if expires_at is not None else None
        lifetimes_s = [s for s in (told_s, backend.max_session_s) if s is not None and s > 0]
        if lifetimes_s:
            life_s = min(lifetimes_s)
            self._due = now + life_s - min(BEFORE_END_S, BEFORE_END_SHARE * life_s)
