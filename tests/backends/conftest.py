"""A conversation with the pure protocol: the server's words in, our events and messages out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from sipagent.backends.base import BackendEvent
from sipagent.backends.openai_realtime import OpenAIRealtime
from sipagent.config import AgentConfig, OpenAIRealtimeConfig
from sipagent.conversation import HistoryItem
from sipagent.formats import ULAW, AudioFormat
from tests.e2e.support import certificates

CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


class Talk:
    """Every message the protocol sends is held against the official types."""

    def __init__(self, protocol: OpenAIRealtime) -> None:
        self.protocol = protocol

    def hear(self, *events: dict[str, Any]) -> list[BackendEvent]:
        """What the protocol makes of these server events."""
        heard = []
        for event in events:
            self.protocol.receive_message(json.dumps(event))
            heard += self.events()
        return heard

    def events(self) -> list[BackendEvent]:
        events = []
        while (event := self.protocol.next_event()) is not None:
            events.append(event)
        return events

    def sent(self) -> list[dict[str, Any]]:
        messages = [json.loads(message) for message in self.protocol.messages_to_send()]
        for message in messages:
            CLIENT_EVENT.validate_python(message)
        return messages

    def get_ready(self) -> None:
        self.hear({"type": "session.created", "session": {"id": "sess_1"}})
        (update,) = self.sent()
        self.hear({"type": "session.updated", "session": {**update["session"], "id": "sess_1"}})


NewTalk = Callable[..., Talk]


@pytest.fixture
def new_talk() -> NewTalk:
    def new_talk(
        *, ready: bool = True, law: AudioFormat = ULAW, history: Sequence[HistoryItem] = (), **agent: Any
    ) -> Talk:
        backend = {"kind": "openai_realtime", **agent.pop("backend", {})}
        config = AgentConfig.model_validate({"name": "test", "backend": backend, **agent})
        assert isinstance(config.backend, OpenAIRealtimeConfig)
        talk = Talk(OpenAIRealtime(config, config.backend, law, history))
        if ready:
            talk.get_ready()
        return talk

    return new_talk


@pytest.fixture
def talk(new_talk: NewTalk) -> Talk:
    return new_talk()


class ServerWords:
    """Server events, as short as a protocol test needs them."""

    def created(self, response: str = "r1") -> dict[str, Any]:
        return {"type": "response.created", "response": {"id": response, "status": "in_progress"}}

    def audio(self, ms: int, item: str = "i1", response: str = "r1", **fields: Any) -> dict[str, Any]:
        delta = base64.b64encode(b"\x55" * 8 * ms).decode()
        place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        return {"type": "response.output_audio.delta", **place, "delta": delta, **fields}

    def audio_done(self, item: str = "i1", response: str = "r1") -> dict[str, Any]:
        place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        return {"type": "response.output_audio.done", **place}

    def text(self, delta: str, item: str = "i1", response: str = "r1") -> dict[str, Any]:
        place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        return {"type": "response.output_audio_transcript.delta", **place, "delta": delta}

    def text_done(self, transcript: str, item: str = "i1", response: str = "r1") -> dict[str, Any]:
        place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        return {"type": "response.output_audio_transcript.done", **place, "transcript": transcript}

    def done(self, response: str = "r1", status: str = "completed", **fields: Any) -> dict[str, Any]:
        return {"type": "response.done", "response": {"id": response, "status": status, **fields}}

    def speech_started(self, item: str = "u1", ms: int = 1000) -> dict[str, Any]:
        return {"type": "input_audio_buffer.speech_started", "item_id": item, "audio_start_ms": ms}

    def speech_stopped(self, item: str = "u1", ms: int = 2000) -> dict[str, Any]:
        return {"type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": ms}

    def error(self, code: str | None, kind: str = "invalid_request_error", **fields: Any) -> dict[str, Any]:
        fault = {"type": kind, "code": code, "message": "It went wrong.", "param": None, "event_id": None}
        return {"type": "error", "event_id": "event_1", "error": {**fault, **fields}}


@pytest.fixture
def says() -> ServerWords:
    return ServerWords()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Signed by itself, for 127.0.0.1, and its key."""
    cert, key = certificates.certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    return Path(cert), Path(key)
