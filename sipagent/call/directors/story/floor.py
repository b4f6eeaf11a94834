"""Who has the word in a call. Pure."""

from __future__ import annotations

from sipagent import events

#: Items of playout that are prompts of ours, and not the agent's words.
PROMPT_ITEM = "prompt:"


class Floor:
    """Hears every event before the parts of the story do. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.is_answered = False
        self.agent_speaks = False
        self.caller_speaks = False
        self.tools: dict[str, float] = {}
        self.prompts: set[str] = set()
        self.agent_had_last_word = False
        self.is_away = self.is_vacant = False
        self._held_at: float | None = None
        self._last_at: float | None = None

    @property
    def is_held(self) -> bool:
        return self._held_at is not None

    @property
    def quiet_since(self) -> float | None:
        """Since when nobody speaks, and nothing is under way that would break the silence; None: it isn't so.

        A hold doesn't count.
        """
        speaks = self.agent_speaks or self.caller_speaks or self.prompts
        busy = speaks or self.tools or self.is_held or self.is_away or self.is_vacant
        return None if busy or not self.is_answered else self._last_at

    def hear(self, event: events.Event, now: float) -> None:
        match event:
            case events.CallAnswered():
                self.is_answered = True
            case events.SpeechStarted():
                self.caller_speaks, self.agent_had_last_word = True, False
            case events.SpeechStopped():
                self.caller_speaks = False
            case events.DigitReceived():
                self.agent_had_last_word = False
            case events.AgentSpeechStarted() if not event.item_id.startswith(PROMPT_ITEM):
                self.agent_speaks = self.agent_had_last_word = True
            case events.AgentFellSilent():
                self.agent_speaks = False
            case events.PromptEnded():
                self.prompts.discard(event.prompt_id)
            case events.ToolCalled():
                self.tools[event.tool_call_id] = event.at
            case events.ToolAnswered():
                self.tools.pop(event.tool_call_id, None)
            case events.TransferStarted():
                self.is_away = True
            case events.TransferFailed() | events.TransferEnded():
                self.is_away = self.is_vacant = False
            case events.BackendReplaced() | events.BackendDown() | events.LegRehomed():
                self.agent_speaks = self.caller_speaks = False
                self.is_vacant = not isinstance(event, events.BackendReplaced)
            case events.CallHeld():
                self._held_at = now if self._held_at is None else self._held_at
                return
            case events.CallResumed() if self._held_at is not None:
                if self._last_at is not None:
                    self._last_at += now - self._held_at
                self._held_at = None
                return
            case _:
                return
        self._last_at = now
