"""One response of a simulated model, from `response.created` to `response.done`. Does no I/O.

Audio is sent in bursts, much faster than it plays, so a response is often done while its first word is heard.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sipagent.formats import AudioFormat
from sipagent.simulator.realtime_conversation import Conversation, Entry
from sipagent.simulator.realtime_emitter import Emitter
from sipagent.simulator.realtime_options import AnyPart, Call, Fail, Mcp, RealtimeOptions
from sipagent.simulator.realtime_usage import response_usage

#: Seconds until the next step of a response.
Wait = float


@dataclass(frozen=True, slots=True)
class Sound:
    """A part's audio, and the words in it."""

    text: str
    audio: bytes


class Response:
    """Generation is a script that runs on: `advance` emits everything due at `now`.

    The audio of each part comes from outside, for making it takes time: `needs` names the part, `provide`
    brings its sound.
    """

    def __init__(
        self,
        emitter: Emitter,
        conversation: Conversation,
        options: RealtimeOptions,
        settings: Mapping[str, Any],
        audio_format: AudioFormat,
        parts: Sequence[AnyPart],
        now: float,
    ) -> None:
        self.id = emitter.new_id("resp")
        self.in_conversation = settings.get("conversation") != "none"
        self.audio_format = audio_format
        self.needs: AnyPart | None = None
        self.over = False
        self.audio_ms = 0
        self.tokens_used = 0
        #: When its first audio was due.
        self.speaks_from = now + options.reply_delay_ms / 1000
        self._emitter = emitter
        self._conversation = conversation
        self._options = options
        self._settings = settings
        self._parts = parts
        self._input_tokens = conversation.tokens()
        self._text_length = 0
        self._output: list[dict[str, Any]] = []
        self._open: _OpenItem | None = None
        self._sound: Sound | None = None
        self._emit("response.created", response=self._resource("in_progress"))
        self._due = self.speaks_from
        self._steps = self._generate()

    def next_timer(self) -> float | None:
        return None if self.over or self.needs is not None else self._due

    def advance(self, now: float) -> None:
        while not self.over and self.needs is None and self._due <= now:
            wait_s = next(self._steps, None)
            if wait_s is not None:
                self._due += wait_s

    def provide(self, sound: Sound, now: float) -> None:
        self.needs = None
        self._sound = sound
        self._due = max(now, self._due)

    def cancel(self, reason: str) -> None:
        """Ends what is being said where it is, as VAD or the client wants it."""
        if self._open is not None:
            self._close_item("incomplete")
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    def _generate(self) -> Iterator[Wait]:
        for index, part in enumerate(self._parts):
            if isinstance(part, Fail):
                error = {"type": part.fail, "code": part.fail, "message": part.message}
                self._finish("failed", {"type": "failed", "error": error})
                return
            if isinstance(part, Call):
                self._call(index, part)
            elif isinstance(part, Mcp):
                self._use_mcp(index, part)
            else:
                self.needs = part
                yield 0.0
                yield from self._speak(index)
        self._finish("completed", None)

    def _speak(self, index: int) -> Iterator[Wait]:
        sound = self._sound or Sound("", b"")
        item = self._open = _OpenItem(self._emitter.new_id("item"), index, self.audio_format, sound.audio)
        self._begin(item)
        for text, audio in self._chunks(sound):
            if text:
                self._delta("response.output_audio_transcript.delta", item, text)
                item.text += text
            if audio:
                self._delta("response.output_audio.delta", item, base64.b64encode(audio).decode())
                item.entry.audio_bytes += len(audio)
                chunk_ms = len(audio) // self.audio_format.bytes_per_ms
                self.audio_ms += chunk_ms
                yield chunk_ms / 1000 / self._options.speed
        self._close_item("completed")

    def _chunks(self, sound: Sound) -> Iterator[tuple[str, bytes]]:
        """Text runs ahead of audio, as it does with the real thing: half of it comes with the first chunk."""
        low, high = self._options.chunk_ms
        half = sound.text.rfind(" ", 0, len(sound.text) // 2) + 1
        texts = [text for text in (sound.text[:half], sound.text[half:]) if text]
        position = 0
        while position < len(sound.audio) or texts:
            size = self._emitter.random.randint(low, high) * self.audio_format.bytes_per_ms
            yield (texts.pop(0) if texts else ""), sound.audio[position : position + size]
            position += size

    def _begin(self, item: _OpenItem) -> None:
        shown = item.entry.shown
        self._emit("response.output_item.added", output_index=item.index, item={**shown, "content": []})
        if self.in_conversation:
            self._conversation.add(item.entry)
        part = {"type": "audio", "transcript": ""}
        self._emit("response.content_part.added", **item.place, part=part)

    def _close_item(self, status: str) -> None:
        item = self._open
        assert item is not None
        self._open = None
        shown = item.entry.shown
        shown["status"] = status
        shown["content"] = [{"type": "output_audio", "transcript": item.text}]
        self._text_length += len(item.text)
        self._output.append(shown)
        self._emit("response.output_audio.done", **item.place)
        self._emit("response.output_audio_transcript.done", **item.place, transcript=item.text)
        part = {"type": "audio", "transcript": item.text}
        self._emit("response.content_part.done", **item.place, part=part)
        self._emit("response.output_item.done", output_index=item.index, item=shown.copy())
        if self.in_conversation:
            self._conversation.done(item.entry)

    def _call(self, index: int, call: Call) -> None:
        arguments = json.dumps(call.arguments)
        shown = {
            "id": self._emitter.new_id("item"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": call.call,
            "call_id": self._emitter.new_id("call"),
            "arguments": "",
        }
        place = {"item_id": shown["id"], "output_index": index, "call_id": shown["call_id"]}
        entry = self._begin_call(index, shown)
        self._emit("response.function_call_arguments.delta", **place, delta=arguments)
        self._emit("response.function_call_arguments.done", **place, name=call.call, arguments=arguments)
        shown.update(status="completed", arguments=arguments)
        self._end_call(index, entry, arguments)

    def _use_mcp(self, index: int, use: Mcp) -> None:
        arguments = json.dumps(use.arguments)
        shown: dict[str, Any] = {
            "id": self._emitter.new_id("mcp"),
            "type": "mcp_call",
            "server_label": use.mcp,
            "name": use.tool,
            "arguments": "",
            "output": None,
            "error": None,
        }
        place = {"item_id": shown["id"], "output_index": index}
        entry = self._begin_call(index, shown)
        self._emit("response.mcp_call_arguments.done", **place, arguments=arguments)
        self._emitter.emit("response.mcp_call.in_progress", **place)
        shown["arguments"] = arguments
        if use.error is None:
            shown["output"] = use.output
        else:
            shown["error"] = {"type": "tool_execution_error", "message": use.error}
        outcome = "completed" if use.error is None else "failed"
        self._emitter.emit(f"response.mcp_call.{outcome}", **place)
        self._end_call(index, entry, arguments)

    def _begin_call(self, index: int, shown: dict[str, Any]) -> Entry:
        entry = Entry(shown)
        self._emit("response.output_item.added", output_index=index, item=shown.copy())
        if self.in_conversation:
            self._conversation.add(entry)
        return entry

    def _end_call(self, index: int, entry: Entry, arguments: str) -> None:
        self._text_length += len(arguments)
        self._output.append(entry.shown)
        self._emit("response.output_item.done", output_index=index, item=entry.shown.copy())
        if self.in_conversation:
            self._conversation.done(entry)

    def _finish(self, status: str, details: dict[str, Any] | None) -> None:
        self.over = True
        self.needs = None
        usage = response_usage(self._input_tokens, self._settings, self._text_length, self.audio_ms)
        self.tokens_used = usage["total_tokens"]
        resource = self._resource(status) | {"status_details": details, "usage": usage}
        self._emit("response.done", response=resource)

    def _resource(self, status: str) -> dict[str, Any]:
        output = self._settings["audio"]["output"]
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [item.copy() for item in self._output],
            "conversation_id": "conv_1" if self.in_conversation else None,
            "output_modalities": ["audio"],
            "max_output_tokens": self._settings.get("max_output_tokens", "inf"),
            "audio": {"output": {"format": output["format"], "voice": output["voice"]}},
            "usage": None,
            "metadata": self._settings.get("metadata"),
        }

    def _delta(self, kind: str, item: _OpenItem, delta: str) -> None:
        self._emitter.emit_delta(kind, response_id=self.id, **item.place, delta=delta)

    def _emit(self, kind: str, **fields: Any) -> None:
        if kind not in ("response.created", "response.done"):
            fields = {"response_id": self.id, **fields}
        self._emitter.emit(kind, **fields)


class _OpenItem:
    """The message being spoken."""

    def __init__(self, item_id: str, index: int, audio_format: AudioFormat, sound: bytes) -> None:
        self.index = index
        self.text = ""
        self.place = {"item_id": item_id, "output_index": index, "content_index": 0}
        shown = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self.entry = Entry(shown, sound, audio_format=audio_format)
