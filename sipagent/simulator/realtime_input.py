"""The input audio buffer of a simulated session: what the caller said since the last commit, and when."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.simulator.realtime_emitter import Emitter
from sipagent.simulator.realtime_shape import ClientError
from sipagent.simulator.realtime_vad import EnergyVad, Turn

#: What a client that commits by hand must have sent.
MIN_COMMIT_MS = 100
_FORMATS = {"audio/pcmu": ULAW, "audio/pcma": ALAW, "audio/pcm": AudioFormat("pcm", 24000)}


def audio_format(shape: Mapping[str, Any]) -> AudioFormat:
    """Of a `format` object of the session."""
    return _FORMATS[shape["type"]]


class InputBuffer:
    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._vad = EnergyVad()
        self._held = bytearray()
        self._item_id = emitter.new_id("item")

    def append(self, audio: object, settings: Mapping[str, Any]) -> list[Turn]:
        """`settings` is the session's `audio.input`. Returns the turns that began or ended in this audio."""
        try:
            data = binascii.a2b_base64(audio, strict_mode=True) if isinstance(audio, str) else None
        except ValueError:
            data = None
        if data is None:
            raise ClientError(
                "invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", "audio"
            )
        self._held += data
        turns = settings["turn_detection"]
        if turns is None:
            return []
        heard_as = audio_format(settings["format"])
        found = self._vad.feed(data, heard_as, turns)
        if not self._vad.speaking and not found:
            padding = turns.get("prefix_padding_ms", 300) * heard_as.bytes_per_ms
            del self._held[: max(0, len(self._held) - padding)]
        return found

    def speech_started(self, audio_ms: int) -> None:
        self._emitter.emit(
            "input_audio_buffer.speech_started", audio_start_ms=audio_ms, item_id=self._item_id
        )

    def speech_stopped(self, audio_ms: int) -> None:
        self._emitter.emit("input_audio_buffer.speech_stopped", audio_end_ms=audio_ms, item_id=self._item_id)

    def timed_out(self) -> None:
        position = self._vad.position_ms
        self._emitter.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=position,
            audio_end_ms=position,
            item_id=self._item_id,
        )

    def commit(self, previous_item_id: str | None, heard_as: AudioFormat, least_ms: int) -> tuple[str, bytes]:
        """Returns the id and audio of the item it becomes. Audio that follows belongs to the next one."""
        held_ms = len(self._held) / heard_as.bytes_per_ms
        if held_ms < least_ms:
            raise ClientError(
                "input_audio_buffer_commit_empty",
                f"Error committing input audio buffer: buffer too small. Expected at least {least_ms}ms "
                f"of audio, but buffer only has {held_ms:.2f}ms of audio.",
            )
        item_id, audio = self._item_id, bytes(self._held)
        self._held.clear()
        self._item_id = self._emitter.new_id("item")
        self._emitter.emit("input_audio_buffer.committed", previous_item_id=previous_item_id, item_id=item_id)
        return item_id, audio

    def clear(self) -> None:
        self._held.clear()
        self._emitter.emit("input_audio_buffer.cleared")
