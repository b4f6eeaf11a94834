"""Has something announced, and knows whether it was heard. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sipagent import events
from sipagent.call.directors.director import Command
from sipagent.call.directors.story.floor import PROMPT_ITEM, Floor
from sipagent.config.story import Announcement
from sipagent.worker.orders import PlayPrompt, Say

START_LIMIT_S = 8.0
"""A model that hasn't begun to say it by then won't."""
PLAY_LIMIT_S = 90.0


class Stage(StrEnum):
    """How far an announcement has got."""

    IDLE = "idle"
    ASKED = "asked"
    HEARD = "heard"
    CUT = "cut"  # the caller spoke into it
    FAILED = "failed"  # it was not said, or could not be


class Announcer:
    """One announcement at a time; `name` tells its prompts from those of others."""

    def __init__(self, call_id: str, floor: Floor, name: str) -> None:
        self._call_id = call_id
        self._floor = floor
        self._name = name
        self._count = 0
        self._prompt_id = ""
        self._has_begun = self._is_cut = False
        self._deadline: float | None = None
        self.stage = Stage.IDLE

    @property
    def is_busy(self) -> bool:
        return self.stage is Stage.ASKED

    def announce(self, words: Announcement, now: float, *, interruptible: bool = True) -> Iterable[Command]:
        self.stage, self._has_begun, self._is_cut = Stage.ASKED, False, False
        self._deadline = now + START_LIMIT_S
        self._count += 1
        if words.say is not None:
            self._prompt_id = ""
            return [Say(call_id=self._call_id, text=words.say, interruptible=interruptible)]
        self._prompt_id = f"{self._name}-{self._count}"
        self._floor.prompts.add(self._prompt_id)
        self._deadline = now + PLAY_LIMIT_S
        return [
            PlayPrompt(
                call_id=self._call_id,
                prompt_id=self._prompt_id,
                file=str(words.file),
                interruptible=interruptible,
            )
        ]

    def hear(self, event: events.Event, now: float) -> bool:
        """True if it is over with this."""
        if self.stage is not Stage.ASKED:
            return False
        match event:
            case events.PromptEnded(prompt_id=prompt_id) if prompt_id and prompt_id == self._prompt_id:
                cut = Stage.CUT if self._floor.caller_speaks else Stage.FAILED
                return self._end(Stage.HEARD if event.completed else cut)
            case events.AgentSpeechStarted() if not self._prompt_id and _is_agents(event.item_id):
                self._has_begun = True
                self._deadline = now + PLAY_LIMIT_S
            case events.AgentSpeechEnded(interrupted=True) if self._has_begun and _is_agents(event.item_id):
                self._is_cut = True
            case events.AgentFellSilent() if self._has_begun:
                return self._end(Stage.CUT if self._is_cut else Stage.HEARD)
        return False

    def next_timer(self) -> float | None:
        return self._deadline

    def on_timer(self, now: float) -> bool:
        """True if patience is at its end with this."""
        if self._deadline is None or now < self._deadline:
            return False
        return self._end(Stage.FAILED)

    def _end(self, stage: Stage) -> bool:
        self.stage, self._deadline = stage, None
        self._floor.prompts.discard(self._prompt_id)
        return True


def _is_agents(item_id: str) -> bool:
    return not item_id.startswith(PROMPT_ITEM)
