"""What becomes of a call of ours by who answers it: a conversation, a message, or the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sipagent import events
from sipagent.call.directors.director import Command, HangUp
from sipagent.call.directors.story.announcer import Announcer, Stage
from sipagent.call.directors.story.floor import Floor
from sipagent.call.directors.story.opening import Opening
from sipagent.config.answering import AnsweringMachineConfig
from sipagent.errors import EndReason
from sipagent.worker.orders import GiveBack, Inject, SetAside

PATIENCE_S = 2.0
"""Beyond the longest analysis: a media worker that was lost meanwhile tells nothing any more."""
TALKS = frozenset({"human", "unknown"})
"""Kinds of answerers with whom there is a conversation."""
WORDS = {
    "human": "A person has answered the call.",
    "machine": "An answering machine has answered the call.",
    "fax": "A fax machine has answered the call.",
    "announcement": "An announcement of the network has answered the call: the number can't be reached.",
    "unknown": "It is not clear whether a person or a machine has answered the call.",
}


class Step(StrEnum):
    """How far it has got."""

    LISTENING = "listening"
    WAITING = "waiting"  # for the machine's beep
    LEAVING = "leaving"  # our message
    DONE = "done"


class Answering:
    """A part of the story. With an `opening`, the agent only listens until it is known who answers, and the
    opening comes then."""

    def __init__(
        self, call_id: str, config: AnsweringMachineConfig, floor: Floor, opening: Opening | None
    ) -> None:
        self._call_id = call_id
        self._config = config
        self._floor = floor
        self._opening = opening
        self._announcer = Announcer(call_id, floor, "message")
        self._deadline: float | None = None
        self.step = Step.LISTENING

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        match event:
            case events.CallAnswered():
                return self._listen(now)
            case events.AnswererDetected() if self.step is Step.LISTENING:
                return self._detected(event.kind, event.reason, now)
            case events.BeepHeard() if self.step is Step.WAITING:
                return self._leave_message(now)
        over = self._announcer.hear(event, now)
        return self._left() if over and self.step is Step.LEAVING else []

    def next_timer(self) -> float | None:
        return self._announcer.next_timer() if self.step is Step.LEAVING else self._deadline

    def on_timer(self, now: float) -> Iterable[Command]:
        if self.step is Step.LEAVING:
            return self._left() if self._announcer.on_timer(now) else []
        self._deadline = None
        if self.step is Step.WAITING:
            return self._hang_up(EndReason.MACHINE_ANSWERED, "no beep, and no silence, to leave a message in")
        return self._detected("unknown", "nothing was told in time", now)

    def _listen(self, now: float) -> Iterable[Command]:
        analysis = self._config.analysis
        longest_ms = max(analysis.total_analysis_time_ms, analysis.initial_silence_ms)
        self._deadline = now + longest_ms / 1000 + PATIENCE_S
        if self._opening is None:
            return []
        self._floor.is_away = True
        return [SetAside(call_id=self._call_id, agent_listens=True)]

    def _detected(self, kind: str, reason: str, now: float) -> Iterable[Command]:
        self._deadline, self.step = None, Step.DONE
        if kind in TALKS or self._config.then == "continue":
            return self._converse(kind, now)
        if kind != "machine" or self._config.then == "hang_up":
            return self._hang_up(EndReason.MACHINE_ANSWERED, f"{kind}: {reason}")
        self.step, self._deadline = Step.WAITING, now + self._config.max_wait_ms / 1000
        self._floor.is_away = True
        return [SetAside(call_id=self._call_id)]

    def _converse(self, kind: str, now: float) -> Iterable[Command]:
        if self._opening is None:
            return [Inject(call_id=self._call_id, text=WORDS[kind])]
        self._floor.is_away = False
        told = Inject(call_id=self._call_id, text=WORDS[kind], respond=not self._opening.has_words)
        return [GiveBack(call_id=self._call_id), told, *self._opening.begin(now)]

    def _leave_message(self, now: float) -> Iterable[Command]:
        message = self._config.message
        assert message is not None
        self.step, self._deadline = Step.LEAVING, None
        announced = self._announcer.announce(message, now, interruptible=False)
        if message.say is None:
            return announced
        return [GiveBack(call_id=self._call_id), *announced]

    def _left(self) -> Iterable[Command]:
        self.step = Step.DONE
        if self._announcer.stage is Stage.HEARD:
            return self._hang_up(EndReason.MESSAGE_LEFT, "")
        return self._hang_up(EndReason.MACHINE_ANSWERED, f"the message was not left: {self._announcer.stage}")

    def _hang_up(self, reason: EndReason, detail: str) -> Iterable[Command]:
        self.step = Step.DONE
        return [HangUp(reason=reason, detail=detail)]
