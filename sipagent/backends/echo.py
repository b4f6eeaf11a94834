"""A backend without a model: says back what the caller says, byte for byte."""

from __future__ import annotations

from sipagent.backends.base import AudioReceived, BackendEvent, EventHandler, SessionReady
from sipagent.formats import AudioFormat

ITEM_ID = "echo_1"


class EchoBackend:
    """Ready at once, deaf to everything but audio. One item, without an end."""

    def __init__(self, law: AudioFormat) -> None:
        self.input_format = self.output_format = law
        self._on_event: EventHandler = _unheard

    async def open(self, on_event: EventHandler) -> None:
        self._on_event = on_event
        on_event(SessionReady())

    def greet(self) -> None:
        pass

    def send_audio(self, audio: bytes) -> None:
        self._on_event(AudioReceived(item_id=ITEM_ID, content_index=0, audio=audio))

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None:
        pass

    def send_digit(self, digit: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def inject(self, text: str, respond: bool) -> None:
        pass

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        pass

    def instruct(self, instructions: str) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        self._on_event = _unheard


def _unheard(event: BackendEvent) -> None:
    """Before `open` and after `close` nobody listens."""
