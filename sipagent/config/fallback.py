"""What becomes of a call whose model can't be reached, or is lost."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from sipagent.config.values import ConfigPath, Section

Name = Annotated[str, Field(min_length=1)]


class FallbackStep(Section):
    """One of: another agent speaks, a file is played and the call ends, an agent with `kind: voicemail` takes
    a message, the caller is handed on, or a file is played as goodbye. The last two end the call for good.
    """

    agent: Name | None = None
    prompt: ConfigPath | None = None
    voicemail: Name | None = None
    transfer: Name | None = None
    goodbye: ConfigPath | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(value is not None for _, value in self) != 1:
            raise ValueError("needs exactly one of agent, prompt, voicemail, transfer, goodbye")
        return self

    @property
    def kind(self) -> str:
        return next((key for key, value in self if value is not None), "")

    @property
    def who(self) -> str | None:
        """The agent that takes over, if one does."""
        return self.agent or self.voicemail

    def __str__(self) -> str:
        return f"{self.kind} {getattr(self, self.kind)}"


class FallbackConfig(Section):
    """First the lost session is opened anew, up to `reconnect_tries` times, then `steps` are tried in order.

    Meanwhile the caller hears `filler_file`, over and over; null is a soft chime.
    """

    reconnect_tries: Annotated[int, Field(ge=0, le=20)] = 3
    filler_file: ConfigPath | None = None
    steps: tuple[FallbackStep, ...] = ()
