"""The items of a simulated conversation, in order, and what a client may do to them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sipagent.formats import AudioFormat
from sipagent.simulator.realtime_emitter import Emitter
from sipagent.simulator.realtime_shape import ClientError
from sipagent.simulator.realtime_usage import CALLER_MS_PER_TOKEN, MODEL_MS_PER_TOKEN, text_tokens

_ROLES = {"user": {"input_text", "input_audio", "input_image"}, "system": {"input_text"}}
_ROLES["assistant"] = {"output_text", "output_audio"}


@dataclass(slots=True)
class Entry:
    """An item as the server keeps it: `shown` is what clients see, `audio` what they may ask for.

    The audio is the beginning of `sound`, which all sessions that say the same share.
    """

    shown: dict[str, Any]
    sound: bytes = b""
    audio_bytes: int = 0
    audio_format: AudioFormat | None = None
    #: Set by truncation: what counts as said from then on.
    audio_end_ms: int | None = None

    @property
    def id(self) -> str:
        return str(self.shown["id"])

    @property
    def audio(self) -> bytes:
        return self.sound[: self.audio_bytes]

    @property
    def audio_ms(self) -> int:
        generated = self.audio_bytes // self.audio_format.bytes_per_ms if self.audio_format else 0
        return generated if self.audio_end_ms is None else min(generated, self.audio_end_ms)


class Conversation:
    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._entries: list[Entry] = []

    def add(self, entry: Entry, previous_item_id: str | None = None) -> None:
        """Appends, or inserts behind `previous_item_id` ("root": at the front), and tells the client."""
        if previous_item_id == "root":
            position = 0
        elif previous_item_id is None:
            position = len(self._entries)
        else:
            position = self._entries.index(self.entry(previous_item_id, "previous_item_id")) + 1
        self._entries.insert(position, entry)
        previous = self._entries[position - 1].id if position else None
        self._emitter.emit("conversation.item.added", previous_item_id=previous, item=entry.shown.copy())

    def done(self, entry: Entry) -> None:
        position = self._entries.index(entry) if entry in self._entries else 0
        previous = self._entries[position - 1].id if position else None
        self._emitter.emit("conversation.item.done", previous_item_id=previous, item=entry.shown.copy())

    def last_id(self) -> str | None:
        return self._entries[-1].id if self._entries else None

    def entry(self, item_id: object, param: str = "item_id") -> Entry:
        for entry in self._entries:
            if entry.id == item_id:
                return entry
        raise ClientError("item_not_found", f"Item with item_id '{item_id}' not found.", param)

    def create(self, item: Any, previous_item_id: str | None) -> None:
        shown = self._checked(item)
        entry = Entry(shown)
        self.add(entry, previous_item_id)
        self.done(entry)

    def retrieve(self, item_id: object) -> None:
        entry = self.entry(item_id)
        content = [dict(part) for part in entry.shown.get("content", ())]
        if content and entry.audio_bytes:
            content[0]["audio"] = base64.b64encode(entry.audio).decode()
        shown = {**entry.shown, "content": content} if content else entry.shown
        self._emitter.emit("conversation.item.retrieved", item=shown)

    def truncate(self, item_id: object, content_index: object, audio_end_ms: object) -> None:
        entry = self.entry(item_id)
        if entry.shown.get("role") != "assistant" or entry.audio_format is None:
            raise ClientError(
                "invalid_value", "Only model output audio messages can be truncated.", "item_id"
            )
        if content_index != 0:
            raise ClientError("invalid_value", f"Content part {content_index} not found.", "content_index")
        if not isinstance(audio_end_ms, int) or audio_end_ms < 0:
            raise ClientError("invalid_value", "Must be a number of milliseconds.", "audio_end_ms")
        if audio_end_ms > entry.audio_ms:
            message = f"Audio content of {entry.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise ClientError("invalid_value", message)
        entry.audio_end_ms = audio_end_ms
        # A new list: events that hold the old one may still be on their way.
        entry.shown["content"] = [{"type": "output_audio"} for _ in entry.shown["content"]]
        self._emitter.emit(
            "conversation.item.truncated", item_id=entry.id, content_index=0, audio_end_ms=audio_end_ms
        )

    def delete(self, item_id: object) -> None:
        self._entries.remove(self.entry(item_id))
        self._emitter.emit("conversation.item.deleted", item_id=item_id)

    def has_model_audio(self) -> bool:
        return any(entry.audio_bytes and entry.shown.get("role") == "assistant" for entry in self._entries)

    def tokens(self) -> tuple[int, int]:
        """Text and audio tokens of the whole conversation: each response is billed for all of it."""
        text = audio = 0
        for entry in self._entries:
            per_token = CALLER_MS_PER_TOKEN if entry.shown.get("role") == "user" else MODEL_MS_PER_TOKEN
            audio += entry.audio_ms // per_token
            text += text_tokens(_text_of(entry.shown))
        return text, audio

    def _checked(self, item: Any) -> dict[str, Any]:
        if not isinstance(item, dict):
            raise ClientError("invalid_type", "Invalid type for 'item': expected an object.", "item")
        kind = item.get("type")
        if kind not in ("message", "function_call", "function_call_output"):
            raise ClientError("invalid_value", f"Invalid value: '{kind}'.", "item.type")
        if kind == "message":
            _check_message(item)
        if kind == "function_call_output" and not isinstance(item.get("output"), str):
            raise ClientError(
                "invalid_type", "Invalid type for 'item.output': expected a string.", "item.output"
            )
        item_id = item.get("id") or self._emitter.new_id("item")
        if any(entry.id == item_id for entry in self._entries):
            message = f"Error adding item: an item with ID '{item_id}' already exists in the conversation."
            raise ClientError("item_create_duplicate_item_id", message, "item.id")
        return {**item, "id": item_id, "object": "realtime.item", "status": item.get("status", "completed")}


def _check_message(item: Mapping[str, Any]) -> None:
    allowed = _ROLES.get(item.get("role", ""))
    if allowed is None:
        raise ClientError("invalid_value", f"Invalid value: '{item.get('role')}'.", "item.role")
    for index, part in enumerate(item.get("content") or ()):
        if not isinstance(part, dict) or part.get("type") not in allowed:
            raise ClientError("invalid_value", "Invalid content type.", f"item.content[{index}].type")


def _text_of(shown: Mapping[str, Any]) -> str:
    if shown.get("role") == "user":
        return "".join(part.get("text") or "" for part in shown.get("content", ()))
    said = "".join((part.get("text") or part.get("transcript") or "") for part in shown.get("content", ()))
    return said + str(shown.get("output", "")) + str(shown.get("arguments", ""))
