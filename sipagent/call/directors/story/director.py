"""The story of one call, put together of its parts. Pure: events and time in, commands out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from sipagent import events
from sipagent.call.directors.director import Command, HangUp, Scene, Transfer
from sipagent.call.directors.story.answering import Answering
from sipagent.call.directors.story.duration import Duration
from sipagent.call.directors.story.farewell import Ending, Farewell, answered
from sipagent.call.directors.story.filler import Filler
from sipagent.call.directors.story.floor import Floor
from sipagent.call.directors.story.keypad import Collector, Menu
from sipagent.call.directors.story.opening import Opening, is_staged, waits_for_answerer
from sipagent.call.directors.story.silence import Silence
from sipagent.config import AgentConfig
from sipagent.config.story import CollectDigitsConfig, MenuConfig
from sipagent.config.tools import HangUpToolConfig, TransferToolConfig
from sipagent.errors import EndReason
from sipagent.tools import arguments
from sipagent.tools.outcome import as_json


class Part(Protocol):
    """One rule of the story."""

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]: ...

    def next_timer(self) -> float | None: ...

    def on_timer(self, now: float) -> Iterable[Command]: ...


class Story:
    """A director: see `call.directors.director`. It also answers the tools `hang_up` and `transfer`.

    `agents` are all there are, by name: where another one takes over, its story goes on from there.
    """

    def __init__(self, scene: Scene, agents: Mapping[str, AgentConfig]) -> None:
        self._scene = scene
        self._agents = agents
        self._agent = scene.agent
        self._floor = Floor()
        self._farewell = Farewell(scene.call_id, self._floor, scene.tell)
        self._answering: Answering | None = None
        self._began: float | None = None
        self._parts = tuple(self._made(now=0.0))

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        self._floor.hear(event, now)
        commands: list[Command] = []
        match event:
            case events.LegReady() | events.BackendReplaced():
                self._speaks(event.agent, now)
                self._began = now if self._began is None else self._began
            case events.ToolCalled():
                commands += self._leave_by_tool(event, now)
        for part in self._parts:
            commands += part.on_event(event, now)
        return commands

    def next_timer(self) -> float | None:
        return min((due for part in self._parts if (due := part.next_timer()) is not None), default=None)

    def on_timer(self, now: float) -> Iterable[Command]:
        commands: list[Command] = []
        for part in self._parts:
            due = part.next_timer()
            if due is not None and due <= now:
                commands += part.on_timer(now)
        return commands

    def close(self) -> None:
        self._farewell.close()

    def _speaks(self, name: str, now: float) -> None:
        """If another agent has taken over, go by its rules."""
        agent = self._agents.get(name, self._agent)
        if agent.name != self._agent.name:
            self._agent = agent
            self._parts = tuple(self._made(now))

    def _made(self, now: float) -> Iterator[Part]:
        call_id, agent = self._scene.call_id, self._agent
        story, floor, farewell = agent.story, self._floor, self._farewell
        yield farewell
        yield from self._beginning(agent)
        if story.silence is not None:
            yield Silence(call_id, story.silence, story.goodbye, floor, farewell)
        if story.max_duration_warning is not None or story.goodbye is not None:
            limit = self._scene.max_duration_s
            duration = Duration(call_id, limit, story.max_duration_warning, story.goodbye, floor, farewell)
            if self._began is not None:
                duration.begin(self._began, now)
            yield duration
        if isinstance(story.digits, CollectDigitsConfig):
            yield Collector(call_id, story.digits)
        if isinstance(story.digits, MenuConfig):
            yield Menu(call_id, story.digits, floor, farewell)
        if story.filler is not None:
            yield Filler(call_id, story.filler, floor, farewell)

    def _beginning(self, agent: AgentConfig) -> Iterator[Part]:
        """The opening, and who answers a call of ours: an agent that takes over later has to do with neither,
        but that of the first goes on."""
        scene, floor, opening = self._scene, self._floor, None
        if not floor.is_answered:
            waits = waits_for_answerer(agent, scene.detects_machine)
            if is_staged(agent, scene.detects_machine):
                opening = Opening(scene.call_id, agent, floor, is_recorded=scene.is_recorded, waits=waits)
                yield opening
            if scene.detects_machine:
                awaited = opening if waits else None
                self._answering = Answering(scene.call_id, agent.answering_machine, floor, awaited)
        if self._answering is not None:
            yield self._answering

    def _leave_by_tool(self, called: events.ToolCalled, now: float) -> Iterable[Command]:
        agent = self._agent
        match agent.tools.get(called.name):
            case HangUpToolConfig():
                hang_up = HangUp(reason=EndReason.AGENT_HUNG_UP)
                return self._farewell.ask(called, Ending(hang_up, agent.story.goodbye), now)
            case TransferToolConfig() as tool:
                try:
                    asked = arguments.read(called.arguments, arguments.validator(tool.declared()))
                except arguments.BadArguments as problem:
                    told = as_json({"error": str(problem)})
                    self._scene.tell(answered(called, "invalid", told, now, str(problem)))
                    return []
                summary = asked.get("summary", "")
                transfer = Transfer(
                    target=asked["target"], summary=summary, is_configured=True, tells_agent=True
                )
                return self._farewell.ask(called, Ending(transfer), now)
        return []
