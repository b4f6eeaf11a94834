"""The tools of one call: each `ToolCalled` is answered exactly once, whatever becomes of tool and call.

What leads out of the call, hang-ups and transfers, is answered by the call's story.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sipagent import events, logs
from sipagent.call.directors.director import Command, PressKeys, Scene
from sipagent.call.directors.story.farewell import answered
from sipagent.config import AgentConfig
from sipagent.config.tools import (
    HangUpToolConfig,
    SendDtmfToolConfig,
    TakeMessageToolConfig,
    TransferToolConfig,
)
from sipagent.tools import arguments
from sipagent.tools.bench import Tool
from sipagent.tools.outcome import Outcome, as_json, error
from sipagent.tools.request import CallContext
from sipagent.tools.toolbox import Toolbox
from sipagent.worker.orders import AnswerTool, Inject, Instruct

log = logs.get_logger(__name__)

OF_THE_STORY = (HangUpToolConfig, TransferToolConfig)


class ToolDesk:
    """A director: see `call.directors.director`. Tools run as tasks; their answers come back as events."""

    def __init__(
        self,
        scene: Scene,
        toolbox: Toolbox,
        agents: Mapping[str, AgentConfig],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scene = scene
        self._toolbox = toolbox
        self._agents = agents
        self._agent = scene.agent
        self._clock = clock
        self._bench = toolbox.bench(scene.agent)
        self._context = CallContext(scene.call_id, scene.agent.name, scene.trunk, scene.direction)
        self._running: dict[str, tuple[events.ToolCalled, asyncio.Task[None]]] = {}
        self._called: set[str] = set()
        self._of_former_backend: dict[str, str] = {}
        self._is_answered = self._is_safe = self._is_vacant = False
        self._bench.watchers.add(self._missing_changed)

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        match event:
            case events.LegReady():
                self._speaks(event.agent)
                self._enter_safe_mode(self._bench.missing_for_new(now))
            case events.CallAnswered():
                self._is_answered = True
            case events.ToolCalled() if event.tool_call_id not in self._called:
                self._called.add(event.tool_call_id)
                return self._take(event)
            case events.ToolAnswered():
                return self._answer(event)
            case events.SafeModeEntered() | events.SafeModeLeft():
                return self._instruct(isinstance(event, events.SafeModeEntered))
            case events.BackendDown() | events.LegRehomed():
                self._is_vacant = True
            case events.BackendReplaced():
                return self._replaced(event)
        return []

    def next_timer(self) -> float | None:
        return None

    def on_timer(self, now: float) -> Iterable[Command]:
        return []

    def close(self) -> None:
        self._bench.watchers.discard(self._missing_changed)
        for called, task in self._running.values():
            task.cancel()
            self._scene.tell(answered(called, "call_ended", None, self._clock()))
        self._running.clear()

    # --- tools --------------------------------------------------------------------------------------

    def _take(self, called: events.ToolCalled) -> Iterable[Command]:
        tool = self._bench.tools.get(called.name)
        if tool is None:
            known = ", ".join(sorted(self._bench.tools)) or "none"
            self._tell(called, error("unknown", f"there is no such tool; there are: {known}"))
            return []
        if isinstance(tool.config, OF_THE_STORY):
            return []
        try:
            asked = arguments.read(called.arguments, tool.schema)
        except arguments.BadArguments as problem:
            self._tell(called, error("invalid", str(problem)))
            return []
        match tool.config:
            case SendDtmfToolConfig():
                return self._press(called, asked["digits"])
            case TakeMessageToolConfig():
                self._take_message(called, asked)
            case _:
                self._start(called, tool, asked)
        return []

    def _press(self, called: events.ToolCalled, digits: str) -> Iterable[Command]:
        if not self._is_answered:
            self._tell(called, error("failed", "nobody has answered the call yet"))
            return []
        self._tell(called, Outcome("ok", as_json({"status": "pressed"})))
        return [PressKeys(digits=digits)]

    def _take_message(self, called: events.ToolCalled, fields: dict[str, Any]) -> None:
        now, call_id = self._clock(), self._scene.call_id
        self._scene.tell(events.MessageTaken(call_id=call_id, at=now, tool=called.name, fields=fields))
        self._tell(called, Outcome("ok", as_json({"status": "the message is taken down"})))

    def _start(self, called: events.ToolCalled, tool: Tool, asked: dict[str, Any]) -> None:
        if len(self._running) >= self._toolbox.limits.max_running_per_call:
            self._tell(called, error("busy", "too many tools are running; wait for their answers"))
            return
        run = self._run(called, tool, asked)
        self._running[called.tool_call_id] = called, asyncio.create_task(run, name=f"tool {called.name}")

    async def _run(self, called: events.ToolCalled, tool: Tool, asked: dict[str, Any]) -> None:
        try:
            outcome = await self._toolbox.run(self._bench, tool, asked, self._context, called.tool_call_id)
        except Exception:  # the edge of this task: a defect must not leave the model waiting
            log.exception("tool_crashed", tool=called.name)
            outcome = error("failed", "the tool can't be used", "internal error")
        if self._running.pop(called.tool_call_id, None) is not None:
            self._tell(called, outcome)

    def _tell(self, called: events.ToolCalled, outcome: Outcome) -> None:
        self._scene.tell(answered(called, outcome.kind, outcome.output, self._clock(), outcome.detail))

    def _answer(self, answer: events.ToolAnswered) -> Iterable[Command]:
        """Let the model know. One that has come since doesn't know of the question, and is told in words."""
        if answer.output is None:
            return []
        call_id, former = self._scene.call_id, self._of_former_backend.pop(answer.tool_call_id, None)
        if former is not None:
            text = f"The tool {former}, which you called before, has answered: {answer.output}"
            return [Inject(call_id=call_id, text=text, respond=True)]
        return [AnswerTool(call_id=call_id, tool_call_id=answer.tool_call_id, output=answer.output)]

    # --- who speaks ---------------------------------------------------------------------------------

    def _replaced(self, event: events.BackendReplaced) -> Iterable[Command]:
        """What is still running was called by a session that is gone.

        Where that was lost, and not just relieved, the fallback hands over what it waited for.
        """
        if not self._is_vacant:
            self._of_former_backend |= {id_: each.name for id_, (each, _) in self._running.items()}
        self._is_vacant = False
        self._speaks(event.agent)
        if self._is_safe:
            return self._instruct(True)
        self._enter_safe_mode(self._bench.missing())
        return []

    def _speaks(self, name: str) -> None:
        """If another agent has taken over, its tools are meant from now on."""
        agent = self._agents.get(name, self._agent)
        if agent.name == self._agent.name:
            return
        self._bench.watchers.discard(self._missing_changed)
        self._agent, self._bench = agent, self._toolbox.bench(agent)
        self._bench.watchers.add(self._missing_changed)
        if self._is_safe and not self._bench.missing():
            self._missing_changed([])

    # --- safe mode ----------------------------------------------------------------------------------

    def _missing_changed(self, missing: list[str]) -> None:
        if missing:
            self._enter_safe_mode(missing)
        elif self._is_safe:
            self._is_safe = False
            self._scene.tell(events.SafeModeLeft(call_id=self._scene.call_id, at=self._clock()))

    def _enter_safe_mode(self, missing: list[str]) -> None:
        if missing and not self._is_safe and self._agent.safe_mode_instructions is not None:
            self._is_safe = True
            entered = events.SafeModeEntered(call_id=self._scene.call_id, at=self._clock(), tools=missing)
            self._scene.tell(entered)

    def _instruct(self, safe: bool) -> Iterable[Command]:
        agent = self._agent
        words = agent.safe_mode_instructions if safe else agent.instructions
        return [Instruct(call_id=self._scene.call_id, instructions=words or "")]
