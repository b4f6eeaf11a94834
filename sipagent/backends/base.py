"""What a voice backend is to a leg, and what it tells the leg.

A backend is two things: a pure protocol object (vendor messages <-> the events below), and a shell that
moves its messages (`backends.websocket`, or none for `echo`). The leg sees only `Backend`.

The interface fits turn-based models (Realtime: speech events, truncate, response lifecycle) and full-duplex
ones (no VAD events, no truncate), which simply never emit some events and ignore some calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from sipagent.formats import AudioFormat


class BackendEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something the backend told us."""


class SessionReady(BackendEvent, frozen=True, kw_only=True):
    """The session is configured; audio may flow."""

    session_id: str = ""
    expires_at: float | None = None


class CallerSpeechStarted(BackendEvent, frozen=True, kw_only=True):
    """Barge-in if agent audio is playing. `audio_ms` counts from the first audio byte sent."""

    item_id: str = ""
    audio_ms: int | None = None


class CallerSpeechStopped(BackendEvent, frozen=True, kw_only=True):
    item_id: str = ""
    audio_ms: int | None = None


class ResponseStarted(BackendEvent, frozen=True, kw_only=True):
    response_id: str


class AudioReceived(BackendEvent, frozen=True, kw_only=True):
    """Agent audio in the backend's output format. Comes in bursts, faster than real time."""

    item_id: str
    content_index: int
    audio: bytes


class AudioFinished(BackendEvent, frozen=True, kw_only=True):
    """No more audio will come for this item."""

    item_id: str
    content_index: int


class ResponseFinished(BackendEvent, frozen=True, kw_only=True):
    response_id: str
    status: str
    detail: str = ""


class TranscriptFinished(BackendEvent, frozen=True, kw_only=True):
    role: Literal["caller", "agent"]
    item_id: str
    text: str


class UsageCounted(BackendEvent, frozen=True, kw_only=True):
    source: Literal["response", "transcription"]
    usage: dict[str, Any]


class ProblemReported(BackendEvent, frozen=True, kw_only=True):
    """An error event that doesn't end the session."""

    code: str
    message: str


class BackendLost(BackendEvent, frozen=True, kw_only=True):
    """The session is gone and we did not ask for it, whatever its close code. The last event of a backend."""

    code: str
    message: str
    fatal: bool


EventHandler = Callable[[BackendEvent], None]


class Backend(Protocol):
    """One session with a voice model. Methods but `open` and `close` never block and never raise."""

    input_format: AudioFormat
    output_format: AudioFormat

    async def open(self, on_event: EventHandler) -> None:
        """Connect and return when the session is READY. Events go to `on_event`, on this loop.

        Raises `BackendUnreachable`, `BackendRefused` or `BackendNotReady`.
        """

    def greet(self) -> None:
        """Let the agent speak first, if its configuration says so."""

    def send_audio(self, audio: bytes) -> None:
        """Caller audio in `input_format`, any length. Bounded behind the scenes: drops oldest, counts."""

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None:
        """Barge-in: cancel what is being generated; tell the model how much of `item_id` was heard.

        `item_id` is None when nothing of the agent was being played.
        """

    def send_digit(self, digit: str) -> None:
        """Tell the model which key the caller pressed."""

    def counters(self) -> dict[str, int]:
        """Audio dropped on the way to the backend (`dropped_ms`), messages ignored, late deltas dropped, ..."""

    async def close(self) -> None:
        """End the session. Idempotent; no events after it returns."""
