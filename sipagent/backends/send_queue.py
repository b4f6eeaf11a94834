"""What waits for a backend's socket: control messages, and at most half a second of the caller's audio.

Policy: audio that can't be sent in time is of no use to a conversation, so the oldest goes and is counted.
Control messages are few, never dropped, and overtake audio: an interruption shouldn't queue behind speech.
"""

from __future__ import annotations

from collections import deque

AUDIO_LIMIT_MS = 500.0


class SendQueue:
    """Owned by one `WebSocketBackend`. Does no I/O."""

    def __init__(self, audio_limit_ms: float = AUDIO_LIMIT_MS) -> None:
        self._limit_ms = audio_limit_ms
        self._control: deque[bytes] = deque()
        self._audio: deque[tuple[bytes, float]] = deque()
        self._queued_ms = 0.0
        self._dropped_ms = 0.0
        self.is_empty = True

    @property
    def dropped_ms(self) -> int:
        return round(self._dropped_ms)

    def put_control(self, message: bytes) -> None:
        self._control.append(message)
        self.is_empty = False

    def put_audio(self, message: bytes, duration_ms: float) -> None:
        self._audio.append((message, duration_ms))
        self._queued_ms += duration_ms
        while self._queued_ms > self._limit_ms:
            self._dropped_ms += self._pop_audio()[1]
        self._note_emptiness()

    def pop(self) -> bytes | None:
        """The next message to send, or None."""
        if self._control:
            message = self._control.popleft()
        elif self._audio:
            message, _ = self._pop_audio()
        else:
            return None
        self._note_emptiness()
        return message

    def _pop_audio(self) -> tuple[bytes, float]:
        message, duration_ms = self._audio.popleft()
        self._queued_ms -= duration_ms
        return message, duration_ms

    def _note_emptiness(self) -> None:
        self.is_empty = not self._control and not self._audio
