"""A client of the pure simulated session, on a fake clock. Every event is held against the official types."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from sipagent.formats import ULAW
from sipagent.simulator import voice
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_session import RealtimeSession

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)

#: Fields the real server sends and the types of the package don't have.
_UNTYPED = {"obfuscation", "session.id", "session.object", "session.expires_at"}


def unknown_fields(value: object, path: str = "") -> Iterator[str]:
    """Fields the official types don't know: they tolerate them, we shouldn't make them up."""
    if isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for each in value:
            yield from unknown_fields(each, path)


class Client:
    def __init__(self, options: RealtimeOptions) -> None:
        self.now = 100.0
        self.events: list[dict[str, Any]] = []
        self.session = RealtimeSession(options, 1, "gpt-realtime-2.1", 1790000000, self.now)
        self._settle()

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send one valid client event; returns what came back at once."""
        CLIENT_EVENT.validate_python({"type": kind, **fields})
        return self.send_raw(json.dumps({"type": kind, **fields}))

    def send_raw(self, data: str | bytes) -> list[dict[str, Any]]:
        before = len(self.events)
        self.session.receive_message(data, self.now)
        self._settle()
        return self.events[before:]

    def configure(self, **turn_detection: Any) -> None:
        g711 = {"type": "audio/pcmu"}
        turns = {"type": "server_vad", "silence_duration_ms": 200, **turn_detection}
        audio_in = {"format": g711, "turn_detection": turns, "transcription": {"model": "gpt-transcribe"}}
        audio = {"input": audio_in, "output": {"format": g711}}
        self.send("session.update", session={"type": "realtime", "audio": audio})

    def say(self, ms: int = 400, silence_ms: int = 300) -> list[dict[str, Any]]:
        """Speak into the phone, in frames of 20 ms, in real time."""
        before = len(self.events)
        audio = voice.tone(300, ms, ULAW) + b"\xff" * 8 * silence_ms
        for start in range(0, len(audio), 160):
            self.pass_time(0.02)
            frame = base64.b64encode(audio[start : start + 160]).decode()
            self.send("input_audio_buffer.append", audio=frame)
        return self.events[before:]

    def pass_time(self, seconds: float) -> list[dict[str, Any]]:
        """Moves the clock from timer to timer, as the server does."""
        before = len(self.events)
        end = self.now + seconds
        while (timer := self.session.next_timer()) is not None and timer <= end:
            self.now = max(self.now, timer)
            self.session.advance(self.now)
            self._settle()
        self.now = end
        return self.events[before:]

    def _settle(self) -> None:
        for response, part in self.session.sounds_needed():
            response.provide(voice.sound(part, response.audio_format, synthetic=True), self.now)
        for event in self.session.events_to_send():
            typed = SERVER_EVENT.validate_python(event)
            assert set(unknown_fields(typed)) <= _UNTYPED
            self.events.append(event)


def pattern_script(*durations_ms: int) -> tuple[Turn, ...]:
    return (Turn(heard="Tell me.", reply=[Pattern(pattern_ms=ms) for ms in durations_ms]),)


NewClient = Callable[..., Client]


@pytest.fixture
def new_client() -> NewClient:
    def new_client(script: Sequence[Turn] = pattern_script(2000), **options: Any) -> Client:
        return Client(RealtimeOptions(script=tuple(script), **options))

    return new_client


@pytest.fixture
def client(new_client: NewClient) -> Client:
    client = new_client()
    client.configure()
    return client


@pytest.fixture
def patterns() -> Callable[..., tuple[Turn, ...]]:
    return pattern_script
