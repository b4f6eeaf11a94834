"""Who answers a call of ours, and what to do then: `answering_machine` of a file in `agents/`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sipagent.config.story import Announcement
from sipagent.config.values import Section

Milliseconds = Annotated[int, Field(ge=20, le=60_000)]


class AnalysisConfig(Section):
    """The parameters of such detectors, by their usual names; see `rtp.answering.AnsweringParams`."""

    initial_silence_ms: Milliseconds = 3500
    greeting_ms: Milliseconds = 3800
    after_greeting_silence_ms: Milliseconds = 1400
    short_greeting_ms: Milliseconds = 1200
    after_short_greeting_silence_ms: Milliseconds = 800
    total_analysis_time_ms: Milliseconds = 8000
    min_word_length_ms: Milliseconds = 100
    between_words_silence_ms: Milliseconds = 60
    maximum_number_of_words: Annotated[int, Field(ge=1, le=100)] = 12
    silence_threshold_dbfs: Annotated[float, Field(ge=-80, le=-10)] = -48.0


class AnsweringMachineConfig(Section):
    """What this agent does when a machine answers a call of ours. Without `detect` nobody listens for one,
    unless whoever asks for the call wants it.

    `greet` at once, or when it is known who it is: until then the agent listens. A `message` is left after
    the beep; `max_wait_ms` is how long that is waited for. Whom nobody knows is taken for a human.
    """

    detect: bool = False
    greet: Literal["at_once", "after_detection"] = "at_once"
    then: Literal["continue", "hang_up", "leave_message"] = "hang_up"
    message: Announcement | None = None
    max_wait_ms: Annotated[int, Field(ge=1000, le=300_000)] = 60_000
    analysis: AnalysisConfig = AnalysisConfig()

    @model_validator(mode="after")
    def _a_message_to_leave(self) -> Self:
        if (self.then == "leave_message") != (self.message is not None):
            raise ValueError("then: leave_message needs a message, and nothing else does")
        return self
