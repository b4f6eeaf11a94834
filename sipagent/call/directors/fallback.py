"""Keeps a call alive whose model is lost: the same again, then whatever its agent's `fallback` names. Pure.

The caller hears a filler meanwhile. Whoever takes over knows what was said, as far as it was heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Literal

from sipagent import events
from sipagent.call.directors.director import Command, HangUp, Scene, Transfer
from sipagent.call.directors.history import CUT, History
from sipagent.config import AgentConfig, FallbackStep
from sipagent.errors import EndReason
from sipagent.worker.orders import Inject, PlayPrompt, Recall, StopPrompt, UseBackend

COMFORT = "builtin:comfort"
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.25, 2.0
#: A session that lived so long has proved that it helps to reconnect: tries count anew.
STABLE_S = 30.0
GO_ON = (
    "The line between you and this call broke and has just been restored; the caller heard a short pause."
    f" Go on where the conversation stopped: after your own last words, up to the mark {CUT}, or with your"
    " answer to the caller. Do not greet again."
)
RECONNECT = "reconnect"

Outcome = Literal["taken", "failed"]


class Phase(StrEnum):
    SERVED = "served"
    #: The call is in somebody else's hands, with or without its model.
    ASIDE = "aside"
    #: A lost session is waited for: the next try, or what comes of one.
    RECONNECTING = "reconnecting"
    #: What comes of a step is waited for.
    STEPPING = "stepping"
    OVER = "over"


class Fallback:
    """A director. `agents` are those that steps may name; `history` hears events before it does."""

    def __init__(self, scene: Scene, agents: Mapping[str, AgentConfig], history: History) -> None:
        self._scene = scene
        self._agents = {**agents, scene.agent.name: scene.agent}
        self._agent = scene.agent
        self._config = scene.agent.fallback
        self._steps = deque(self._config.steps)
        self._history = history
        self._phase = Phase.SERVED
        self._cause = ""
        self._step: FallbackStep | None = None
        self._tries = 0
        self._due: float | None = None
        self._served_since = 0.0
        self._is_lost = False
        self._is_owed = False
        self._orphans: set[str] = set()
        self._fillers = 0
        self._filler: str | None = None

    # --- before the answer --------------------------------------------------------------------------

    def instead_of(self, failed: events.LegFailed) -> AgentConfig | None:
        """Who is to answer a call whose agent could not: None refuses it.

        Other steps than an agent need an answered call: they are taken when it is, by nobody. Whom we call
        ourselves is not called for those.
        """
        self._note_failure(f"{failed.reason_code}: {failed.detail}", failed.at)
        if not self._steps:
            return None
        if (who := self._steps[0].who) is not None:
            self._step = self._steps.popleft()
            self._agent = self._agents[who]
            return self._agent
        if self._scene.direction == "outbound":
            return None
        self._is_lost = True
        return self._scene.agent

    @property
    def answers_alone(self) -> bool:
        """Is it without a model that the call is to be answered?"""
        return self._is_lost

    # --- the director -------------------------------------------------------------------------------

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        match event:
            case events.LegReady() if self._step is not None:
                self._took(self._step, now)
            case events.CallAnswered() if self._is_lost:
                yield from self._start_filler()
                yield from self._next_step(now)
            case events.TransferStarted():
                self._phase = Phase.ASIDE if self._phase is Phase.SERVED else self._phase
            case events.TransferFailed() | events.TransferEnded(outcome="failed" | "returned"):
                yield from self._transfer_failed(event, now)
            case events.BackendDown():
                yield from self._lost(event, now)
            case events.LegRehomed():
                yield from self._rehomed(event)
            case events.BackendNotReplaced():
                yield from self._not_replaced(event, now)
            case events.BackendReplaced():
                yield from self._replaced(event, now)
            case events.PromptEnded() if self._step is not None and event.prompt_id == str(self._step):
                yield from self._prompt_ended(event, self._step, now)
            case events.AgentSpeechEnded() if self._is_owed:
                yield from self._hand_over()
            case events.AgentSpeechStarted() if self._phase is Phase.SERVED and not self._is_owed:
                yield from self._stop_filler()
            case events.ToolAnswered() if event.tool_call_id in self._orphans:
                self._orphans.discard(event.tool_call_id)
                self._is_owed = True
                yield from self._hand_over()
            case events.TransferJoined() | events.TransferEnded() if self._is_step("transfer"):
                self._took(self._step, now)
                self._phase = Phase.OVER

    def next_timer(self) -> float | None:
        return self._due

    def on_timer(self, now: float) -> Iterable[Command]:
        self._due = None
        yield self._use(self._agent)

    def close(self) -> None:
        pass

    # --- what happens -------------------------------------------------------------------------------

    def _lost(self, down: events.BackendDown, now: float) -> Iterator[Command]:
        self._cause, self._is_lost = f"{down.code}: {down.message}", True
        if self._phase is not Phase.SERVED:
            return
        if now - self._served_since >= STABLE_S:
            self._tries = 0
        self._step, self._orphans = None, self._history.pending_tools()
        yield from self._start_filler()
        yield from self._reconnect(down.fatal, now)

    def _rehomed(self, rehomed: events.LegRehomed) -> Iterator[Command]:
        """The session was lost with its worker, which is no fault of the model's: another one is sent for,
        whatever is configured. What was on its way already is so again."""
        self._cause, self._is_lost = f"worker_lost: it {rehomed.cause}", True
        if self._phase is Phase.SERVED:
            self._step, self._orphans = None, self._history.pending_tools()
            self._phase, self._tries, self._due = Phase.RECONNECTING, 0, None
            yield from self._start_filler()
            yield self._use(self._agent)

    def _not_replaced(self, failed: events.BackendNotReplaced, now: float) -> Iterator[Command]:
        cause = f"{failed.code}: {failed.message}"
        if self._phase is Phase.RECONNECTING:
            self._cause = cause
            yield from self._reconnect(failed.fatal, now)
        elif self._phase is Phase.STEPPING and self._step is not None and self._step.who is not None:
            self._note_failure(cause, now)
            yield from self._next_step(now)

    def _replaced(self, replaced: events.BackendReplaced, now: float) -> Iterator[Command]:
        self._agent = self._agents.get(replaced.agent, self._agent)
        phase, self._phase, self._is_lost = self._phase, Phase.SERVED, False
        self._served_since, self._due = now, None
        if phase in (Phase.RECONNECTING, Phase.STEPPING):
            self._took(self._step, now)
            self._is_owed = True
            yield from self._hand_over()

    def _hand_over(self) -> Iterator[Command]:
        """Let a new model know what it wasn't opened with, once nothing of its predecessor is to be heard."""
        if self._history.is_agent_heard:
            return
        self._is_owed = False
        if rest := self._history.rest():
            yield Recall(call_id=self._scene.call_id, history=rest)
        if is_conversational(self._agent) and self._history.is_agents_turn:
            yield Inject(call_id=self._scene.call_id, text=GO_ON, respond=True)
        else:
            yield from self._stop_filler()

    def _transfer_failed(
        self, event: events.TransferFailed | events.TransferEnded, now: float
    ) -> Iterator[Command]:
        if self._is_step("transfer"):
            self._note_failure(event.detail, now)
            yield from self._next_step(now)
        elif self._phase is Phase.ASIDE:
            self._phase = Phase.SERVED
            if self._is_lost:
                yield from self._start_filler()
                yield from self._reconnect(False, now)

    def _prompt_ended(self, ended: events.PromptEnded, step: FallbackStep, now: float) -> Iterator[Command]:
        if ended.completed:
            self._took(step, now)
            self._phase = Phase.OVER
            reason = EndReason.PROMPT_PLAYED if step.prompt else EndReason.BACKEND_LOST
            yield HangUp(reason=reason, detail=self._cause)
        else:
            self._note_failure(ended.detail, now)
            yield from self._next_step(now)

    # --- what is done about it ----------------------------------------------------------------------

    def _reconnect(self, is_no_use: bool, now: float) -> Iterator[Command]:
        """Try again, sooner at first; then the steps."""
        if self._tries:
            self._note_failure(self._cause, now, RECONNECT)
        if is_no_use or self._tries >= self._config.reconnect_tries:
            yield from self._next_step(now)
            return
        self._phase = Phase.RECONNECTING
        self._tries += 1
        if self._tries == 1:
            yield self._use(self._agent)
        else:
            self._due = now + min(FIRST_BACKOFF_S * 2 ** (self._tries - 2), MAX_BACKOFF_S)

    def _next_step(self, now: float) -> Iterator[Command]:
        call_id = self._scene.call_id
        if not self._steps:
            self._phase, self._step = Phase.OVER, None
            yield HangUp(reason=EndReason.BACKEND_LOST, detail=self._cause)
            return
        self._phase, self._tries = Phase.STEPPING, 0
        self._step = step = self._steps.popleft()
        if step.who is not None:
            yield self._use(self._agents[step.who])
        elif step.transfer is not None:
            yield Transfer(target=step.transfer, is_configured=True)
        else:
            yield from self._stop_filler()
            file = str(step.prompt or step.goodbye)
            yield PlayPrompt(call_id=call_id, prompt_id=str(step), file=file)

    def _use(self, agent: AgentConfig) -> UseBackend:
        history = self._history.items()
        greets = self._history.is_empty or not is_conversational(agent)
        return UseBackend(
            call_id=self._scene.call_id,
            agent=agent.model_dump_json(),
            history=history,
            at_once=True,
            greet=greets,
        )

    def _start_filler(self) -> Iterator[Command]:
        if self._filler is None:
            self._fillers += 1
            self._filler = f"filler {self._fillers}"
            file = str(self._config.filler_file or COMFORT)
            yield PlayPrompt(
                call_id=self._scene.call_id, prompt_id=self._filler, file=file, repeat=True, over=True
            )

    def _stop_filler(self) -> Iterator[Command]:
        if self._filler is not None:
            yield StopPrompt(call_id=self._scene.call_id, prompt_id=self._filler)
            self._filler = None

    def _is_step(self, kind: str) -> bool:
        return self._phase is Phase.STEPPING and self._step is not None and self._step.kind == kind

    def _note_failure(self, cause: str, now: float, step: str = "") -> None:
        if step or self._step is not None:
            self._tell(step or str(self._step), cause, "failed", now)
        self._cause = cause

    def _took(self, step: FallbackStep | None, now: float) -> None:
        self._tell(RECONNECT if step is None else str(step), self._cause, "taken", now)
        self._step = None

    def _tell(self, step: str, cause: str, outcome: Outcome, now: float) -> None:
        self._scene.tell(
            events.FallbackTaken(call_id=self._scene.call_id, at=now, step=step, cause=cause, outcome=outcome)
        )


def is_conversational(agent: AgentConfig) -> bool:
    """Does it have a model, that a history is of use to?"""
    return agent.backend.kind == "openai_realtime"
