"""What has been said in a call, from its events: the agent's words as far as they were heard. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sipagent import events
from sipagent.call.directors.director import Command
from sipagent.conversation import HistoryItem, Noted, Said, ToolUsed

#: Stands where the agent was cut off.
CUT = "—"
#: No voice says more. Of words that were cut off, text runs ahead of audio: so much of it at most was heard.
MAX_CHARS_PER_S = 16


@dataclass(slots=True)
class _Entry:
    """One item while it grows: what somebody said, or an `item` that is complete.

    A call has many. `item_id` is the event's own text, which the record keeps as well.
    """

    role: events.Role | None
    item_id: str = ""
    text: str = ""
    is_started: bool = False
    played_ms: int | None = None
    flushed_ms: int = 0
    is_cut: bool = False
    item: HistoryItem | None = None
    is_told: bool = False

    def told(self) -> HistoryItem | None:
        """None as long as there is nothing to tell."""
        if self.item is not None or self.role is None:
            return self.item
        if self.role == "caller":
            return Said(role="caller", text=self.text) if self.text else None
        return Said(role="agent", text=heard) if (heard := self._heard()) else None

    def _heard(self) -> str:
        """Nothing of an item that is still being heard: how much, will be known."""
        if self.played_ms is None or not self.played_ms:
            return ""
        if not self.is_cut:
            return self.text
        share = self.played_ms / (self.played_ms + self.flushed_ms)
        chars = min(share * len(self.text), self.played_ms / 1000 * MAX_CHARS_PER_S)
        return cut_at_word(self.text, int(chars))


class History:
    """A director that only listens. Items stand in the order in which they began."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._calls: dict[str, events.ToolCalled | events.McpToolUsed] = {}

    def items(self) -> list[HistoryItem]:
        """All that is known now. A session that is opened with it is owed `rest` when it takes over."""
        for entry in self._entries:
            entry.is_told = False
        return self.rest()

    def rest(self) -> list[HistoryItem]:
        """What was not yet known to `items`."""
        items = []
        for entry in self._entries:
            if not entry.is_told and (item := entry.told()) is not None:
                entry.is_told = True
                items.append(item)
        return items

    @property
    def is_empty(self) -> bool:
        """Has nobody said or done anything yet?"""
        return not self._entries

    def pending_tools(self) -> set[str]:
        """Calls that no answer has come for."""
        return set(self._calls)

    @property
    def is_agent_heard(self) -> bool:
        """Is something of the agent's being played to the caller?"""
        return any(entry.is_started and entry.played_ms is None for entry in self._entries)

    @property
    def is_agents_turn(self) -> bool:
        """Is it for the agent to speak: cut off in what it said last, or with the last word the caller's?"""
        for entry in reversed(self._entries):
            if entry.role == "agent":
                return entry.is_cut
            if entry.role == "caller" or entry.item is not None:
                return True
        return False

    def note(self, text: str) -> None:
        """The model was let know something."""
        self._entries.append(_Entry(None, item=Noted(text=text)))

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        match event:
            case events.SpeechStarted(item_id=item_id):
                self._spoken("caller", item_id)
            case events.AgentSpeechStarted(item_id=item_id):
                self._spoken("agent", item_id).is_started = True
            case events.AgentSpeechEnded(item_id=item_id):
                entry = self._spoken("agent", item_id)
                entry.played_ms, entry.flushed_ms = event.played_ms, event.flushed_ms
                entry.is_cut |= event.interrupted
            case events.Transcript(role=role, item_id=item_id, text=text):
                entry = self._spoken(role, item_id)
                entry.text = text.strip()
                entry.is_cut |= event.is_partial
            case events.DigitReceived(digit=digit):
                self.note(f"The caller pressed the key {digit}.")
            case events.ToolAnswered(tool_call_id=tool_call_id, output=str(output)):
                self._answered(tool_call_id, output)
            case events.McpToolUsed(tool_call_id=tool_call_id):
                self._calls[tool_call_id] = event
                self._answered(tool_call_id, event.output or event.error)
            case events.ToolCalled():
                self._calls[event.tool_call_id] = event
        return ()

    def next_timer(self) -> float | None:
        return None

    def on_timer(self, now: float) -> Iterable[Command]:
        return ()

    def close(self) -> None:
        pass

    def _spoken(self, role: events.Role, item_id: str) -> _Entry:
        for entry in reversed(self._entries):
            if entry.item_id == item_id and entry.role == role:
                return entry
        self._entries.append(_Entry(role, item_id))
        return self._entries[-1]

    def _answered(self, tool_call_id: str, output: str) -> None:
        called = self._calls.pop(tool_call_id, None)
        if called is not None:
            used = ToolUsed(
                tool_call_id=tool_call_id, name=called.name, arguments=called.arguments, output=output
            )
            self._entries.append(_Entry(None, item=used))


def cut_at_word(text: str, chars: int) -> str:
    """The whole words within the first `chars` of a text, and the mark of the cut."""
    if chars >= len(text):
        return f"{text} {CUT}"
    kept = text[:chars]
    if not text[chars].isspace():
        kept = kept.rpartition(" ")[0]
    return f"{kept.rstrip()} {CUT}" if kept.strip() else CUT
