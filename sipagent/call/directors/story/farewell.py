"""The one way out of a call that we end or hand on: after the goodbye has been played. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sipagent import events
from sipagent.call.directors.director import Command, HangUp, Transfer
from sipagent.call.directors.story.announcer import Announcer
from sipagent.call.directors.story.floor import PROMPT_ITEM, Floor
from sipagent.config.story import Announcement
from sipagent.tools.outcome import as_json

SETTLE_S = 0.7
"""A model that wants to say something with its wish to hang up has begun by then."""
LIMIT_S = 30.0
"""However long the goodbye is, and whatever tools still run."""

Tell = Callable[[events.Event], None]


class Step(StrEnum):
    """Where a farewell stands."""

    NONE = "none"
    SETTLING = "settling"  # does the agent have something to say?
    SPEAKING = "speaking"  # the agent's own words
    ANNOUNCING = "announcing"  # the configured ones
    WAITING = "waiting"  # all is said; a tool is still at work
    AWAY = "away"  # being handed on
    GONE = "gone"


#: Where the caller, by speaking, may still change what happens.
OPEN = frozenset({Step.SETTLING, Step.SPEAKING, Step.ANNOUNCING, Step.WAITING})


@dataclass(frozen=True, slots=True)
class Ending:
    """What is to be done when the goodbye was heard. `words` are said before, if any.

    An ending that `yields` is given up when the caller speaks into it.
    """

    command: HangUp | Transfer
    words: Announcement | None = None
    yields: bool = True


class Farewell:
    """A part of the story, and what the others call on. `tell` puts events into the call's inbox."""

    def __init__(self, call_id: str, floor: Floor, tell: Tell) -> None:
        self._floor = floor
        self._tell = tell
        self._announcer = Announcer(call_id, floor, "goodbye")
        self._ending: Ending | None = None
        self._asked_by: list[events.ToolCalled] = []
        self._deadline: float | None = None
        self._limit: float | None = None
        self._now = 0.0
        self.step = Step.NONE

    @property
    def is_under_way(self) -> bool:
        return self.step is not Step.NONE

    def begin(self, ending: Ending, now: float) -> Iterable[Command]:
        """Say the words of the ending, and do it. One that is under way already stands."""
        if self.is_under_way:
            return []
        self._start(ending, now)
        return self._announce(now)

    def ask(self, called: events.ToolCalled, ending: Ending, now: float) -> Iterable[Command]:
        """The model wants it. Its own words are a goodbye; those of the ending are for one that says none."""
        self._asked_by.append(called)
        if not self.is_under_way:
            self._start(ending, now)
            self.step = Step.SPEAKING if self._floor.agent_speaks else Step.SETTLING
            self._deadline = now + SETTLE_S if self.step is Step.SETTLING else None
        return []

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        self._now = now
        over = self._announcer.hear(event, now)
        match event:
            case events.SpeechStarted() if self.step in OPEN and self._ending and self._ending.yields:
                return self._stay("interrupted", "The caller spoke, so the call goes on.")
            case events.TransferFailed() | events.TransferEnded(outcome="failed") if self.step is Step.AWAY:
                return self._stay("failed", f"The transfer failed: {event.detail or event.sip_status}.")
            case events.TransferEnded(outcome="returned") if self.step is Step.AWAY:
                return self._stay("ok", "They have talked, and the caller is back with you.")
            case events.AgentSpeechStarted() if not event.item_id.startswith(PROMPT_ITEM):
                if self.step is Step.SETTLING:
                    self.step, self._deadline = Step.SPEAKING, None
            case events.AgentFellSilent() if self.step is Step.SPEAKING:
                return self._leave(now)
            case events.ToolAnswered() if self.step is Step.WAITING:
                return self._leave(now)
        return self._leave(now) if over and self.step is Step.ANNOUNCING else []

    def next_timer(self) -> float | None:
        timers = (self._deadline, self._limit, self._announcer.next_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    def on_timer(self, now: float) -> Iterable[Command]:
        self._now = now
        over = self._announcer.on_timer(now)
        if self._limit is not None and self._limit <= now:
            return self._go()
        if self._deadline is not None and self._deadline <= now:
            self._deadline = None
            return self._leave(now) if self._floor.agent_had_last_word else self._announce(now)
        return self._leave(now) if over and self.step is Step.ANNOUNCING else []

    def close(self) -> None:
        """The call is over: tools that asked for that have had their will."""
        done = self.step in (Step.AWAY, Step.GONE)
        self._answer("ok" if done else "call_ended", None, "")

    def _start(self, ending: Ending, now: float) -> None:
        self._ending, self._limit = ending, now + LIMIT_S

    def _announce(self, now: float) -> Iterable[Command]:
        assert self._ending is not None
        if self._ending.words is None:
            return self._leave(now)
        self.step = Step.ANNOUNCING
        return self._announcer.announce(self._ending.words, now)

    def _leave(self, now: float) -> Iterable[Command]:
        """All is said: go, unless a tool has still to do its work."""
        asked_by = {called.tool_call_id for called in self._asked_by}
        if self._floor.tools.keys() - asked_by:
            self.step = Step.WAITING
            return []
        return self._go()

    def _go(self) -> Iterable[Command]:
        assert self._ending is not None
        self._deadline = self._limit = None
        if isinstance(self._ending.command, HangUp):
            self.step = Step.GONE
            self._answer("ok", None, "")
        else:
            self.step = Step.AWAY
        return [self._ending.command]

    def _stay(self, outcome: events.ToolOutcome, words: str) -> Iterable[Command]:
        """The caller stays with the agent; a tool that wanted it otherwise says so."""
        self.step, self._ending, self._deadline, self._limit = Step.NONE, None, None, None
        self._answer(outcome, as_json({"status": words}), "")
        return []

    def _answer(self, outcome: events.ToolOutcome, output: str | None, detail: str) -> None:
        for called in self._asked_by:
            self._tell(answered(called, outcome, output, self._now, detail))
        self._asked_by.clear()


def answered(
    called: events.ToolCalled, outcome: events.ToolOutcome, output: str | None, now: float, detail: str = ""
) -> events.ToolAnswered:
    """The answer to a call of the model's."""
    return events.ToolAnswered(
        call_id=called.call_id,
        at=now,
        tool_call_id=called.tool_call_id,
        name=called.name,
        outcome=outcome,
        duration_ms=round(max(0.0, now - called.at) * 1000, 1),
        output=output,
        detail=detail,
    )
