"""The model's end of a leg, in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sipagent.backends.base import AudioReceived, BackendEvent, CallerSpeechStarted, EventHandler
from sipagent.conversation import HistoryItem
from sipagent.formats import ULAW, AudioFormat


class ScriptedBackend:
    """Opens when the test says so, says what the test says, and writes down what it is told."""

    def __init__(self, audio: AudioFormat = ULAW) -> None:
        self.input_format = self.output_format = audio
        self.opening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard = bytearray()
        self.told: list[tuple[object, ...]] = []
        self.closed = asyncio.Event()
        self.is_busy = False
        self.say: EventHandler = _unheard

    async def open(self, on_event: EventHandler) -> None:
        self.say = on_event
        await self.opening

    def speak(self, audio: bytes, item_id: str = "i1") -> None:
        self.say(AudioReceived(item_id=item_id, content_index=0, audio=audio))

    def greet(self) -> None:
        self.told.append(("greet",))

    def send_audio(self, audio: bytes) -> None:
        self.heard += audio

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None:
        self.told.append(("interrupt", item_id, content_index, heard_ms))

    def played(self, item_id: str) -> None:
        pass

    def send_digit(self, digit: str) -> None:
        self.told.append(("digit", digit))

    def say_exactly(self, text: str) -> None:
        self.told.append(("say", text))

    def recall(self, history: Sequence[HistoryItem]) -> None:
        self.told.append(("recall", *history))

    def end_turn(self, item_id: str, was_speech: bool) -> None:
        self.told.append(("end_turn", item_id, was_speech))

    def inject(self, text: str, respond: bool) -> None:
        self.told.append(("inject", text, respond))

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        self.told.append(("answer_tool", tool_call_id, output))

    def instruct(self, instructions: str) -> None:
        self.told.append(("instruct", instructions))

    def counters(self) -> dict[str, int]:
        return {"dropped_ms": 40}

    def finish(self) -> None:
        pass

    async def close(self) -> None:
        self.say = _unheard
        self.closed.set()

    @property
    def is_closed(self) -> bool:
        return self.closed.is_set()


def _unheard(event: BackendEvent) -> None:
    raise AssertionError("a backend that is not open has nothing to say")


def caller_speaks() -> CallerSpeechStarted:
    return CallerSpeechStarted(item_id="caller-1", audio_ms=1500)
