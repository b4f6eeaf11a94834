"""How a call begins: consent to the recording, the recording, the greeting. Pure.

A greeting that the model just says is none of this: the media worker asks for it while the call is still
being answered, which is sooner.
"""

from __future__ import annotations

from collections.abc import Iterable

from sipagent import events
from sipagent.call.directors.director import Command
from sipagent.call.directors.story.announcer import Announcer, Stage
from sipagent.call.directors.story.floor import Floor
from sipagent.config import AgentConfig
from sipagent.config.story import Announcement
from sipagent.worker.orders import StartRecording

CONSENT_ATTEMPTS = 3
"""An announcement that the caller spoke into is made again; then there is no recording."""


def is_staged(agent: AgentConfig, detects_machine: bool = False) -> bool:
    """Does the call begin with more than words of the model's own, or with a wait for who answers it?"""
    staged = agent.story.consent is not None or agent.story.greeting_file is not None
    return staged or waits_for_answerer(agent, detects_machine)


def waits_for_answerer(agent: AgentConfig, detects_machine: bool) -> bool:
    """Does the agent greet only when it is known who answers?"""
    return detects_machine and agent.answering_machine.greet == "after_detection"


class Opening:
    """A part of the story. It begins with the answer, or if it `waits`, when somebody lets it `begin`."""

    def __init__(
        self, call_id: str, agent: AgentConfig, floor: Floor, *, is_recorded: bool, waits: bool = False
    ) -> None:
        self._call_id = call_id
        self._consent = agent.story.consent if is_recorded else None
        self._greeting = greeting_of(agent)
        self._is_interruptible = agent.story.greeting_interruptible
        self._announcer = Announcer(call_id, floor, "opening")
        self._attempts = 0
        self._is_asking = False
        self._waits = waits

    @property
    def has_words(self) -> bool:
        """Does it say anything?"""
        return self._consent is not None or self._greeting is not None

    def begin(self, now: float) -> Iterable[Command]:
        return self._ask(now) if self._consent is not None else self._greet(now)

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        if isinstance(event, events.CallAnswered) and not self._waits:
            return self.begin(now)
        return self._go_on(now) if self._announcer.hear(event, now) else []

    def next_timer(self) -> float | None:
        return self._announcer.next_timer()

    def on_timer(self, now: float) -> Iterable[Command]:
        return self._go_on(now) if self._announcer.on_timer(now) else []

    def _go_on(self, now: float) -> Iterable[Command]:
        """Something has been announced, or could not be."""
        if not self._is_asking:
            return []
        if self._announcer.stage is Stage.HEARD:
            return [StartRecording(call_id=self._call_id), *self._greet(now)]
        if self._announcer.stage is Stage.CUT and self._attempts < CONSENT_ATTEMPTS:
            return self._ask(now)
        return self._greet(now)

    def _ask(self, now: float) -> Iterable[Command]:
        assert self._consent is not None
        self._is_asking = True
        self._attempts += 1
        return self._announcer.announce(self._consent, now, interruptible=False)

    def _greet(self, now: float) -> Iterable[Command]:
        self._is_asking = False
        if self._greeting is None:
            return []
        return self._announcer.announce(self._greeting, now, interruptible=self._is_interruptible)


def greeting_of(agent: AgentConfig) -> Announcement | None:
    if agent.story.greeting_file is not None:
        return Announcement(file=agent.story.greeting_file)
    return Announcement(say=agent.greeting) if agent.greeting else None
