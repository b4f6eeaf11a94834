"""A backend without a model: greets, beeps, and takes a message, which the recording keeps."""

from __future__ import annotations

from sipagent.backends.base import BackendFinished
from sipagent.backends.local import LocalBackend, sound_of
from sipagent.backends.message import Message
from sipagent.config import VoicemailConfig
from sipagent.sounds import tones

GREETING_ID = "greeting_1"


class VoicemailBackend(LocalBackend):
    """The message begins when the beep has gone out. A caller who just hangs up has left one as well."""

    def __init__(self, config: VoicemailConfig) -> None:
        super().__init__()
        self._config = config
        self._greeting = tones.beep() if config.beep else b""
        self._message: Message | None = None
        self._is_over = False

    async def _prepare(self) -> None:
        if self._config.greeting_file is not None:
            self._greeting = await sound_of(self._config.greeting_file) + self._greeting

    def greet(self) -> None:
        if self._greeting:
            self._say(GREETING_ID, self._greeting)
        else:
            self._listen()

    def played(self, item_id: str) -> None:
        self._listen()

    def send_audio(self, audio: bytes) -> None:
        if self._message is not None and not self._is_over:
            self._message.hear(audio)
            if self._message.is_over:
                self.finish()

    def send_digit(self, digit: str) -> None:
        if digit in self._config.finish_keys and self._message is not None:
            self.finish()

    def finish(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        spoken_ms = self._message.spoken_ms if self._message is not None else 0
        outcome = "message_taken" if spoken_ms else "no_message"
        self._tell(BackendFinished(outcome=outcome, message_ms=spoken_ms))

    def _listen(self) -> None:
        self._message = Message(self._config.max_s * 1000, round(self._config.silence_s * 1000))
