"""What backends without a model have in common: they are deaf to all that only a model understands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sipagent.backends.base import AudioFinished, AudioReceived, BackendEvent, EventHandler, SessionReady
from sipagent.conversation import HistoryItem
from sipagent.errors import BackendRefused
from sipagent.formats import AudioFormat
from sipagent.sounds import files

PCM_8K = AudioFormat("pcm", 8000)


class LocalBackend:
    """Ready at once. A subclass says `_tell` what it has to tell."""

    is_busy = False

    def __init__(self, audio: AudioFormat = PCM_8K) -> None:
        self.input_format = self.output_format = audio
        self._tell: EventHandler = _unheard

    async def open(self, on_event: EventHandler) -> None:
        await self._prepare()
        self._tell = on_event
        on_event(SessionReady())

    async def _prepare(self) -> None:
        """Get what is needed before the call is answered. Raises `BackendError`."""

    def greet(self) -> None:
        pass

    def send_audio(self, audio: bytes) -> None:
        pass

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None:
        pass

    def played(self, item_id: str) -> None:
        pass

    def send_digit(self, digit: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def recall(self, history: Sequence[HistoryItem]) -> None:
        pass

    def end_turn(self, item_id: str, was_speech: bool) -> None:
        pass

    def inject(self, text: str, respond: bool) -> None:
        pass

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        pass

    def instruct(self, instructions: str) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}

    def finish(self) -> None:
        pass

    async def close(self) -> None:
        self._tell = _unheard

    def _say(self, item_id: str, audio: bytes) -> None:
        """One item, whole."""
        self._tell(AudioReceived(item_id=item_id, content_index=0, audio=audio))
        self._tell(AudioFinished(item_id=item_id, content_index=0))


async def sound_of(path: Path) -> bytes:
    """The sound of a file, s16le at 8000 Hz. Raises `BackendRefused` for one that can't be played."""
    try:
        return await asyncio.to_thread(files.read, path)
    except (OSError, files.SoundError) as error:
        message = f"{path} can't be played: {getattr(error, 'strerror', None) or error}"
        raise BackendRefused(message, code="prompt_file", fatal=True) from error


def _unheard(event: BackendEvent) -> None:
    """Before `open` and after `close` nobody listens."""
