"""What a simulated session received and sent: in memory for tests, and in files for whoever looks later."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

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


class SessionLog:
    """`caller_audio` is all audio appended, `agent_audio` what was sent of each item, as law or PCM bytes.

    Without `keep` nothing stays in memory; without `directory` nothing is written.
    """

    def __init__(self, session_id: str, *, keep: bool, directory: Path | None) -> None:
        self.entries: list[Logged] = []
        self.caller_audio = bytearray()
        self.agent_audio: dict[str, bytearray] = {}
        self._keep = keep
        self._grown = asyncio.Event()
        self._event_file: BinaryIO | None = None
        self._audio_file: BinaryIO | None = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._event_file = (directory / f"{session_id}.jsonl").open("wb")
            self._audio_file = (directory / f"{session_id}.caller.raw").open("wb")

    def received(self, data: bytes | str) -> None:
        if not self._active:
            return
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError:
            event = {"malformed": len(data)}
        self._add("in", event)

    def sent(self, event: Mapping[str, Any]) -> None:
        if self._active:
            self._add("out", event)

    def events(self, direction: Direction, kind: str | None = None) -> list[Mapping[str, Any]]:
        """Those of one direction, all or of one type, in order."""
        return [
            entry.event
            for entry in self.entries
            if entry.direction == direction and kind in (None, entry.event.get("type"))
        ]

    async def until(self, enough: Callable[[], object]) -> None:
        """Returns once `enough`, which looks at what is in memory, says so: it is asked after every entry."""
        while not enough():
            self._grown.clear()
            await self._grown.wait()

    def close(self) -> None:
        for file in (self._event_file, self._audio_file):
            if file is not None:
                file.close()

    @property
    def _active(self) -> bool:
        return self._keep or self._event_file is not None

    def _add(self, direction: Direction, event: Mapping[str, Any]) -> None:
        if (name := _AUDIO_FIELD.get(event.get("type", ""))) is not None:
            event = self._without_audio(event, name)
        entry = Logged(time.monotonic(), direction, event)
        if self._keep:
            self.entries.append(entry)
            self._grown.set()
        if self._event_file is not None:
            self._event_file.write(msgspec.json.encode(entry) + b"\n")

    def _without_audio(self, event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        try:
            audio = base64.b64decode(event[name])
        except (KeyError, ValueError, TypeError):
            return event
        if name == "audio" and self._audio_file is not None:
            self._audio_file.write(audio)
        if self._keep and name == "audio":
            self.caller_audio += audio
        elif self._keep:
            self.agent_audio.setdefault(event["item_id"], bytearray()).extend(audio)
        return {**event, name: len(audio)}
