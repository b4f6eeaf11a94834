"""What a simulated session received and sent: in memory for tests, and in files for whoever looks later."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec

Direction = Literal["in", "out"]

_AUDIO_FIELD = {
    "input_audio_buffer.append": "audio",
    "response.output_audio.delta": "delta",
}


@dataclass(frozen=True, slots=True)
class Logged:
    """One event; where it carried audio, the number of bytes stands instead. `at` is CLOCK_MONOTONIC."""

    at: float
    direction: Direction
    event: Mapping[str, Any]


@dataclass(slots=True)
class SessionLog:
    """`caller_audio` is all audio appended, `agent_audio` what was sent of each item, as law or PCM bytes."""

    entries: list[Logged] = field(default_factory=list)
    caller_audio: bytearray = field(default_factory=bytearray)
    agent_audio: dict[str, bytearray] = field(default_factory=dict)
    _file: TextIO | None = None

    def received(self, data: bytes | str) -> None:
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError:
            event = {"malformed": len(data)}
        self._add("in", event)

    def sent(self, event: Mapping[str, Any]) -> None:
        self._add("out", event)

    def events(self, direction: Direction, kind: str | None = None) -> list[Mapping[str, Any]]:
        """Those of one direction, all or of one type, in order."""
        return [
            entry.event
            for entry in self.entries
            if entry.direction == direction and kind in (None, entry.event.get("type"))
        ]

    def open_file(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w")

    def close(self, caller_audio: Path | None) -> None:
        if self._file is not None:
            self._file.close()
        if caller_audio is not None:
            caller_audio.write_bytes(self.caller_audio)

    def _add(self, direction: Direction, event: Mapping[str, Any]) -> None:
        if (field_name := _AUDIO_FIELD.get(event.get("type", ""))) is not None:
            event = self._without_audio(event, field_name)
        entry = Logged(time.monotonic(), direction, event)
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry).decode() + "\n")

    def _without_audio(self, event: Mapping[str, Any], field_name: str) -> Mapping[str, Any]:
        try:
            audio = base64.b64decode(event[field_name])
        except (KeyError, ValueError, TypeError):
            return event
        if field_name == "audio":
            self.caller_audio += audio
        else:
            self.agent_audio.setdefault(event["item_id"], bytearray()).extend(audio)
        return {**event, field_name: len(audio)}
