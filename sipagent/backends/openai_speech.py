"""What an OpenAI Realtime model says: its responses, their items, and what becomes stale on barge-in.

Audio arrives far ahead of playout, so when the caller interrupts, three things may be true at once: the item
being heard belongs to a response that is long done, items wait behind it unheard, and the newest response
is still being generated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sipagent.backends.base import (
    AudioFinished,
    AudioReceived,
    BackendEvent,
    McpToolUsed,
    ResponseFinished,
    ResponseStarted,
    ToolCalled,
    TranscriptFinished,
    UsageCounted,
)
from sipagent.backends.openai_wire import Item, Response, ServerEvent, decode_audio, usage_counts

#: Items and interrupted responses remembered. An item is of use until it has been played.
MEMORY = 64

#: Nearly all events are of these. They change nothing but an item.
DELTAS = frozenset(
    {
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        # beta names
        "response.audio.delta",
        "response.audio_transcript.delta",
    }
)


@dataclass(frozen=True, slots=True)
class Truncation:
    """The model must forget what comes after `audio_end_ms` of this item."""

    item_id: str
    content_index: int
    audio_end_ms: int


@dataclass(slots=True)
class SpokenItem:
    item_id: str
    response_id: str
    content_index: int = 0
    audio_bytes: int = 0
    text: list[str] = field(default_factory=list)
    stale: bool = False
    audio_done: bool = False
    text_done: bool = False


class AgentSpeech:
    """Turns response events into ours, and knows what to take back. Does no I/O."""

    def __init__(self, bytes_per_ms: int) -> None:
        self.active_response: str | None = None
        self.late_deltas = 0
        self.bad_audio = 0
        self._bytes_per_ms = bytes_per_ms
        self._items: dict[str, SpokenItem] = {}
        self._stale_responses: deque[str] = deque(maxlen=MEMORY)

    def receive(self, event: ServerEvent) -> Iterable[BackendEvent] | None:
        """What it tells, to be taken at once; None for an event that is of something else."""
        handler = _HANDLERS.get(event.type)
        return None if handler is None else handler(self, event)

    def take_back(self, item_id: str | None, content_index: int, heard_ms: int) -> list[Truncation]:
        """Make all that was said so far stale. Returns what the model must be told wasn't heard.

        `item_id` is the head of playout: items before it were heard, items after it weren't.
        """
        truncations = []
        unheard = False
        for item in self._items.values():
            if item.stale:
                continue
            item.stale = True
            if item.item_id == item_id:
                unheard = True
                received_ms = item.audio_bytes // self._bytes_per_ms
                if heard_ms < received_ms or not item.audio_done:
                    truncations.append(Truncation(item.item_id, content_index, min(heard_ms, received_ms)))
            elif unheard and item.audio_bytes:
                truncations.append(Truncation(item.item_id, item.content_index, 0))
        if self.active_response is not None:
            self._stale_responses.append(self.active_response)
        return truncations

    def last_words(self) -> Iterable[BackendEvent]:
        """The session is gone: what had come of words that were not finished."""
        for item in self._items.values():
            if item.text and not item.text_done:
                text = "".join(item.text)
                yield TranscriptFinished(role="agent", item_id=item.item_id, text=text, is_partial=True)

    def _response_created(self, event: ServerEvent) -> Iterable[BackendEvent]:
        response = event.response or Response()
        self.active_response = response.id or ""
        yield ResponseStarted(response_id=self.active_response)

    def _audio_delta(self, event: ServerEvent) -> Iterable[BackendEvent]:
        item = self._item_of(event)
        if item is None:
            self.late_deltas += 1
            return ()
        try:
            audio = decode_audio(event.delta or "")
        except ValueError:
            self.bad_audio += 1
            return ()
        item.audio_bytes += len(audio)
        item.content_index = event.content_index or 0
        return (AudioReceived(item_id=item.item_id, content_index=item.content_index, audio=audio),)

    def _audio_done(self, event: ServerEvent) -> Iterable[BackendEvent]:
        item = self._items.get(event.item_id or "")
        return self._finish_audio(item) if item else ()

    def _text_delta(self, event: ServerEvent) -> Iterable[BackendEvent]:
        item = self._item_of(event)
        if item is None:
            self.late_deltas += 1
        elif event.delta:
            item.text.append(event.delta)
        return ()

    def _text_done(self, event: ServerEvent) -> Iterable[BackendEvent]:
        item = self._items.get(event.item_id or "")
        return self._finish_text(item, event.transcript) if item else ()

    def _item_done(self, event: ServerEvent) -> Iterable[BackendEvent]:
        """Also stands in for the `done` events of the item's parts where a server sends none."""
        done = event.item or Item()
        if done.type == "function_call" and done.status != "incomplete":
            yield ToolCalled(
                tool_call_id=done.call_id or "", name=done.name or "", arguments=done.arguments or "{}"
            )
        elif done.type == "mcp_call":
            yield mcp_tool_used(done)
        item = self._items.get(done.id or "")
        if item is not None:
            yield from self._finish_audio(item)
            yield from self._finish_text(item, "".join(part.transcript or "" for part in done.content or ()))

    def _response_done(self, event: ServerEvent) -> Iterable[BackendEvent]:
        response = event.response or Response()
        response_id = response.id or ""
        if self.active_response == response_id:
            self.active_response = None
        for item in self._items.values():
            if item.response_id == response_id:
                yield from self._finish_audio(item)
                yield from self._finish_text(item, None)
        if response.usage:
            yield UsageCounted(source="response", usage=usage_counts(response.usage))
        details = response.status_details
        detail = "" if details is None else str(details.error or details.reason or "")
        yield ResponseFinished(response_id=response_id, status=response.status or "completed", detail=detail)

    def _item_of(self, event: ServerEvent) -> SpokenItem | None:
        """The item a delta belongs to, new or known; None when nobody wants to hear it any more."""
        if event.response_id is not None and event.response_id in self._stale_responses:
            return None
        item_id = event.item_id or ""
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = SpokenItem(item_id, event.response_id or self.active_response or "")
            if len(self._items) > MEMORY:
                del self._items[next(iter(self._items))]
        return None if item.stale else item

    def _finish_audio(self, item: SpokenItem) -> Iterable[BackendEvent]:
        if not item.audio_done:
            item.audio_done = True
            if item.audio_bytes and not item.stale:
                yield AudioFinished(item_id=item.item_id, content_index=item.content_index)

    def _finish_text(self, item: SpokenItem, transcript: str | None) -> Iterable[BackendEvent]:
        """A stale item gets its transcript as well: what was generated of it, heard or not."""
        text = transcript or "".join(item.text)
        if text and not item.text_done:
            item.text_done = True
            yield TranscriptFinished(role="agent", item_id=item.item_id, text=text)


def mcp_tool_used(item: Item) -> McpToolUsed:
    """Its error names the kind: protocol_error, tool_execution_error or http_error."""
    error = item.error or {}
    return McpToolUsed(
        tool_call_id=item.id or "",
        server=item.server_label or "",
        name=item.name or "",
        arguments=item.arguments or "{}",
        output=item.output,
        error=": ".join(str(error[key]) for key in ("type", "message") if error.get(key)),
    )


_HANDLERS: dict[str, Callable[[AgentSpeech, ServerEvent], Iterable[BackendEvent]]] = {
    "response.created": AgentSpeech._response_created,
    "response.output_audio.delta": AgentSpeech._audio_delta,
    "response.output_audio.done": AgentSpeech._audio_done,
    "response.output_audio_transcript.delta": AgentSpeech._text_delta,
    "response.output_audio_transcript.done": AgentSpeech._text_done,
    "response.output_item.done": AgentSpeech._item_done,
    "response.done": AgentSpeech._response_done,
    # beta names
    "response.audio.delta": AgentSpeech._audio_delta,
    "response.audio.done": AgentSpeech._audio_done,
    "response.audio_transcript.delta": AgentSpeech._text_delta,
    "response.audio_transcript.done": AgentSpeech._text_done,
}
