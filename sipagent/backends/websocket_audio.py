"""The caller's audio on its way to a model, 50 times a second: gathered into messages, and these sent."""

from __future__ import annotations

from collections.abc import Callable

from sipagent.backends.send_queue import SendQueue
from sipagent.backends.websocket_writer import MessageWriter
from sipagent.formats import AudioFormat


class AudioSender:
    """Audio goes out as soon as there is enough of it for a message, without the task that sends, which is
    there to wait while the peer doesn't take what was sent before: then it goes into `queue`, and `wake` is
    called.
    """

    def __init__(
        self,
        input_format: AudioFormat,
        every_ms: int,
        message: Callable[[bytes], bytes],
        queue: SendQueue,
        wake: Callable[[], None],
    ) -> None:
        self._bytes_per_ms = input_format.bytes_per_ms
        self._enough_bytes = every_ms * input_format.bytes_per_ms
        self._message = message
        self._queue = queue
        self._wake = wake
        self._gathered = b""
        self._writer: MessageWriter | None = None

    def begin(self, writer: MessageWriter) -> None:
        """The session is ready. Before, audio waits."""
        self._writer = writer

    def send(self, audio: bytes) -> None:
        """Send it with what was gathered, if that is enough for a message."""
        gathered = self._gathered + audio
        if len(gathered) < self._enough_bytes:
            self._gathered = gathered
        else:
            self._send(gathered)

    def flush(self) -> None:
        """Send what was gathered, if it isn't enough."""
        if self._gathered:
            self._send(self._gathered)

    def _send(self, audio: bytes) -> None:
        self._gathered = b""
        message, writer = self._message(audio), self._writer
        if writer is None or not self._queue.is_empty or not writer.write(message):
            self._queue.put_audio(message, len(audio) / self._bytes_per_ms)
            self._wake()
