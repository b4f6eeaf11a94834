"""A call that a rule hands on: not before the caller is there, and has heard what is said first."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent import events
from sipagent.call.admission.decision import ToAgent, ToTransfer
from sipagent.call.directors.director import Transfer
from sipagent.call.transfer.handing_on import HandingOn
from sipagent.config import AgentConfig
from sipagent.sip.messages import CallConfirmed

CALL: dict[str, Any] = {"call_id": "c", "at": 1.0}
SILENT = events.AgentFellSilent(**CALL)
PLAYED = events.PromptEnded(**CALL, prompt_id="greeting", completed=True)


def agent(**values: Any) -> AgentConfig:
    return AgentConfig.model_validate({"name": "a", "backend": {"kind": "echo"}} | values)


@pytest.mark.parametrize(
    ("answering", "story"),
    [
        (agent(), [CallConfirmed()]),
        (agent(greeting="One moment"), [CallConfirmed(), PLAYED, SILENT]),
        (agent(greeting="One moment"), [SILENT, CallConfirmed()]),
        (agent(story={"greeting_file": "/moment.wav"}), [CallConfirmed(), SILENT, PLAYED]),
    ],
)
def test_the_transfer_begins_once_with_the_last_thing_awaited(
    answering: AgentConfig, story: list[Any]
) -> None:
    handing_on = HandingOn(ToTransfer("+15550100", answering))
    told = [handing_on.after(event) for event in [*story, *story]]
    assert told == [None] * (len(story) - 1) + [Transfer(target="+15550100", is_configured=True)] + (
        [None] * len(story)
    )


def test_other_calls_are_not_handed_on() -> None:
    assert HandingOn(ToAgent(agent())).after(CallConfirmed()) is None
