"""A call that a rule of `routes.yaml` hands on as soon as it stands. Pure."""

from __future__ import annotations

from sipagent.call.admission.decision import ToAgent, ToTransfer
from sipagent.call.directors.director import Transfer
from sipagent.events import AgentFellSilent, PromptEnded
from sipagent.sip.messages import CallConfirmed


class HandingOn:
    """Knows when to transfer: once, when the caller is there and has heard the agent's greeting, if any."""

    def __init__(self, action: ToAgent | ToTransfer) -> None:
        self._target = action.target if isinstance(action, ToTransfer) else None
        agent = action.agent
        self._awaited: set[type[object]] = {CallConfirmed}
        if agent.greeting:
            self._awaited.add(AgentFellSilent)
        elif agent.story.greeting_file is not None:
            self._awaited.add(PromptEnded)

    def after(self, event: object) -> Transfer | None:
        """What is to be done now that this has happened."""
        self._awaited.discard(type(event))
        if self._target is None or self._awaited:
            return None
        target, self._target = self._target, None
        return Transfer(target=target, is_configured=True)
