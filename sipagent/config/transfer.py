"""How callers are handed on: what a trunk allows and how it writes numbers, and an agent's targets."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, model_validator

from sipagent.config.patterns import PatternList, Patterns
from sipagent.config.values import ConfigPath, Section

How = Literal["auto", "refer", "attended", "bridge"]

_URI = re.compile(r"(sips?|tel):[^\s<>\"]+", re.IGNORECASE)
NOT_IN_A_NUMBER = re.compile(r"[\s().-]")


def is_uri(target: str) -> bool:
    """Is this a SIP or tel URI, and not a number or a name?"""
    return _URI.fullmatch(target) is not None


def _template(value: str) -> str:
    if "{number}" not in value and "{digits}" not in value:
        raise ValueError("must hold {number} or {digits}, such as 'sip:{number}@carrier.example'")
    if not is_uri(value):
        raise ValueError("must be a URI that begins with 'sip:', 'sips:' or 'tel:'")
    return value


Template = Annotated[str, AfterValidator(_template)]


class TransferPolicyConfig(Section):
    """What a trunk makes of transfers.

    `uri_template` makes a URI of a number: `{number}` as it is written, `{digits}` without its plus.
    `refer_to_template` differs where the peer wants another form in a Refer-To, such as `tel:{number}`.
    `allowed` are the numbers that may be asked for by whoever directs a call, beside the targets that agents
    name. `refer`: the peer takes a REFER. `unconfirmed` is what a REFER counts as that the peer took and
    never told the end of.
    """

    uri_template: Template | None = None
    refer_to_template: Template | None = None
    allowed: PatternList = Patterns(())
    refer: bool = True
    outcome_timeout_s: PositiveFloat = 60.0
    unconfirmed: Literal["succeeded", "failed"] = "failed"


class TransferTargetConfig(Section):
    """Somebody to whom an agent may hand its callers: a number, or a URI.

    `how`: REFER to the peer, `attended` after we have spoken to the human, or `bridge` through our own media;
    `auto` is REFER where the trunk takes it, else bridge. `trunk` carries the call to the human, null: the
    caller's. `whisper` is said to the human first by the agent's voice ({summary} and {caller} are filled
    in), or `whisper_file` is played. `wait_file` is what the caller hears meanwhile, null: a ringing tone.
    In a bridge `model` goes on listening, for the transcript, or is `muted`. `human_hangs_up`: what becomes
    of the caller then.
    """

    to: Annotated[str, Field(min_length=1)]
    how: How = "auto"
    trunk: str | None = None
    ring_timeout_s: PositiveFloat = 30.0
    goodbye_max_s: PositiveFloat = 15.0
    whisper: str | None = None
    whisper_file: ConfigPath | None = None
    wait_file: ConfigPath | None = None
    model: Literal["muted", "listens"] = "muted"
    human_hangs_up: Literal["end", "agent"] = "end"

    @model_validator(mode="after")
    def _one_whisper(self) -> Self:
        if self.whisper is not None and self.whisper_file is not None:
            raise ValueError("write either whisper or whisper_file")
        return self


def plain_number(number: str) -> str:
    """A number without what people write between its digits."""
    return NOT_IN_A_NUMBER.sub("", number)


def filled(template: str, number: str) -> str:
    """A URI of a number."""
    return template.format(number=number, digits=number.removeprefix("+"))
