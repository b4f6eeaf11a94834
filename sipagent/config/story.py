"""How an agent conducts a call, beyond what its model says: the `story` of a file in `agents/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from sipagent.config.values import ConfigPath, Section

Seconds = Annotated[float, Field(ge=0.5, le=3600)]
Key = Annotated[str, Field(pattern=r"^[0-9*#A-D]$")]


class Announcement(Section):
    """Words that the model says exactly, or a WAV file that is played."""

    say: Annotated[str, Field(min_length=1)] | None = None
    file: ConfigPath | None = None

    @model_validator(mode="after")
    def _one_voice(self) -> Self:
        if (self.say is None) == (self.file is None):
            raise ValueError("write either say or file")
        return self


class SilenceConfig(Announcement):
    """Said when nobody has spoken for `after_s`, up to `times`; then comes the goodbye, and the call ends."""

    after_s: Seconds = 10.0
    times: Annotated[int, Field(ge=1, le=10)] = 2


class DurationWarningConfig(Announcement):
    """Said `before_s` before the longest duration of a call is over."""

    before_s: PositiveInt = 60


class FillerConfig(Announcement):
    """What the caller hears when a tool takes longer than `after_ms`: words once, a file until it is done."""

    after_ms: Annotated[int, Field(ge=0, le=60_000)] = 1000


class DigitsToModelConfig(Section):
    """Each key that the caller presses is told to the model."""

    kind: Literal["to_model"] = "to_model"


class CollectDigitsConfig(Section):
    """Keys are collected, and told to the model as one number: at the `terminator`, after `timeout_s` without
    a further one, or when there are `max_digits`. Without a terminator every key counts.
    """

    kind: Literal["collect"] = "collect"
    terminator: Key | None = "#"
    timeout_s: Seconds = 4.0
    max_digits: Annotated[int, Field(ge=1, le=64)] = 32


class ChoiceConfig(Section):
    """What a key leads to: something is said, the model is told, the call is handed on or ended.

    With `transfer` and `hang_up` the words are said first.
    """

    say: Annotated[str, Field(min_length=1)] | None = None
    file: ConfigPath | None = None
    tell: Annotated[str, Field(min_length=1)] | None = None
    transfer: Annotated[str, Field(min_length=1)] | None = None
    hang_up: bool = False

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if self.say is not None and self.file is not None:
            raise ValueError("write either say or file")
        actions = (self.tell is not None) + (self.transfer is not None) + self.hang_up
        if actions > 1 or not (actions or self.announcement):
            raise ValueError("needs exactly one of tell, transfer, hang_up, or else say or file")
        return self

    @property
    def announcement(self) -> Announcement | None:
        return Announcement(say=self.say, file=self.file) if self.say or self.file else None


class MenuConfig(Section):
    """Keys are choices. One that isn't there is told to the model."""

    kind: Literal["menu"] = "menu"
    choices: Annotated[Mapping[Key, ChoiceConfig], Field(min_length=1)]


DigitsConfig = Annotated[DigitsToModelConfig | CollectDigitsConfig | MenuConfig, Field(discriminator="kind")]


class StoryConfig(Section):
    """The rules of a call. What is null isn't done.

    `greeting_file` is played in place of the agent's `greeting`; one that is not `interruptible` is heard to
    its end whatever the caller says. With `consent` the recording begins when that was heard, and not before.
    `goodbye` is said before we end a call: after silence, at its longest duration, and where the model hangs
    up without a word.
    """

    greeting_file: ConfigPath | None = None
    greeting_interruptible: bool = True
    consent: Announcement | None = None
    silence: SilenceConfig | None = None
    max_duration_warning: DurationWarningConfig | None = None
    goodbye: Announcement | None = None
    digits: DigitsConfig = DigitsToModelConfig()
    filler: FillerConfig | None = None
