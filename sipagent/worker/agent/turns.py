"""Who has the floor: when the caller's speech takes it from the agent. Pure.

Where the agent's configuration leaves that to the model's server, speech as the server hears it always does.
Otherwise it takes `min_speech_ms` of it: until so much has been heard the agent is paused, not cut off, and
goes on if that was all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from rtp.activity import Burst
from rtp.echo import EchoGuard
from sipagent.config import AgentConfig

#: An agent that was paused goes on after so much quiet, whatever the server still waits for.
RESUME_AFTER_MS = 200


class Floor(Protocol):
    """What turns are about."""

    @property
    def agent_speaks(self) -> bool:
        """Has the agent something to say that the caller hasn't heard?"""

    @property
    def is_firm(self) -> bool:
        """Is it saying what must be heard to its end?"""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def interrupt(self, now: float) -> None:
        """Nothing more of what the agent says goes out."""

    def end_turn(self, item_id: str, was_speech: bool) -> None: ...


class State(StrEnum):
    QUIET = "quiet"
    #: The server hears something, and it may be nothing: the agent is paused.
    DOUBTFUL = "doubtful"
    #: It was nothing so far: the agent goes on.
    DISMISSED = "dismissed"
    SPEECH = "speech"


class Turns:
    """One per leg."""

    def __init__(self, agent: AgentConfig, floor: Floor) -> None:
        self.false_starts = 0
        """Of the caller's turns, those that were no speech."""
        self._config = agent.barge_in
        self._has_firm_words = agent.has_firm_words
        self._is_ours = agent.decides_turns
        self._floor = floor
        self._state = State.QUIET

    @property
    def caller_speaks(self) -> bool:
        return self._state is not State.QUIET

    def started(self, now: float) -> None:
        """The server hears the caller speak."""
        if not self._is_ours:
            self._state = State.SPEECH
            self._floor.interrupt(now)
        elif not self._config.enabled or (self._has_firm_words and self._floor.is_firm):
            self._state = State.SPEECH
        elif not self._floor.agent_speaks:
            self._take_floor(now)
        else:
            self._state = State.DOUBTFUL
            self._floor.pause()

    def stopped(self, item_id: str) -> None:
        """The server has heard the end of it."""
        was_speech = self._state is State.SPEECH
        if self._state is State.DOUBTFUL:
            self._floor.resume()
        self._state = State.QUIET
        if self._is_ours:
            self.false_starts += not was_speech
            self._floor.end_turn(item_id, was_speech)

    def look(self, burst: Burst, echo: EchoGuard | None, now: float) -> None:
        """To be called on every tick, with what has been heard of the caller until now."""
        if self._state in (State.QUIET, State.SPEECH):
            return
        hears_echo = echo is not None and echo.hears_echo()
        is_speech = not hears_echo and not burst.quiet_ms and burst.speech_ms >= self._config.min_speech_ms
        if is_speech:
            self._take_floor(now)
        elif self._state is State.DOUBTFUL and (hears_echo or burst.quiet_ms >= RESUME_AFTER_MS):
            self._state = State.DISMISSED
            self._floor.resume()
        elif self._state is State.DISMISSED and not hears_echo and burst.quiet_ms == 0:
            self._state = State.DOUBTFUL
            self._floor.pause()

    def reset(self) -> None:
        """Nobody will tell of the end of what was heard: the backend is another."""
        if self._state is State.DOUBTFUL:
            self._floor.resume()
        self._state = State.QUIET

    def _take_floor(self, now: float) -> None:
        self._state = State.SPEECH
        self._floor.interrupt(now)
        self._floor.resume()
