"""What a voice backend is to a leg, and what it tells the leg.

A backend is two things: a pure protocol object (vendor messages <-> the events below), and a shell that
moves its messages (`backends.websocket`, or none for `echo`). The leg sees only `Backend`.

The interface fits turn-based models (Realtime: speech events, truncate, response lifecycle) and full-duplex
ones (no VAD events, no truncate), which simply never emit some events and ignore some calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from sipagent.conversation import HistoryItem
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
    is_partial: bool = False


class ToolCalled(BackendEvent, frozen=True, kw_only=True):
    """The model wants a tool to be run. `arguments` is JSON text, as the model wrote it."""

    tool_call_id: str
    name: str
    arguments: str


class McpToolUsed(BackendEvent, frozen=True, kw_only=True):
    """The model's host ran a tool of an MCP server: nobody is to answer. See `events.McpToolUsed`."""

    tool_call_id: str
    server: str
    name: str
    arguments: str
    output: str | None = None
    error: str = ""


class BackendFinished(BackendEvent, frozen=True, kw_only=True):
    """A backend without a model has done its part: a prompt was said, a message was taken.

    Not the last event: the session stays as it is until `close`. See `events.BackendFinished`.
    """

    outcome: str
    message_ms: int = 0
    detail: str = ""


class UsageCounted(BackendEvent, frozen=True, kw_only=True):
    """`model` is the one that was used, by its name in the configuration."""

    source: Literal["response", "transcription"]
    usage: dict[str, Any]
    model: str = ""


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

    @property
    def is_busy(self) -> bool:
        """Is something being said, or about to be? What has been received already doesn't count."""

    def greet(self) -> None:
        """Let the agent speak first, if its configuration says so."""

    def send_audio(self, audio: bytes) -> None:
        """Caller audio in `input_format`, any length. Bounded behind the scenes: drops oldest, counts."""

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None:
        """Barge-in: cancel what is being generated; tell the model how much of `item_id` was heard.

        `item_id` is the item at the head of playout, partly heard or (`heard_ms` 0) not yet; items that came
        before it count as heard, later ones as unheard. None when playout held nothing of the agent.
        Call it after every flush of playout: audio that is still under way for it is then dropped here.
        """

    def played(self, item_id: str) -> None:
        """All audio of this item has gone out; not for an item that was interrupted."""

    def send_digit(self, digit: str) -> None:
        """Tell the model which key the caller pressed."""

    def say(self, text: str) -> None:
        """Have the agent say exactly this, once it has finished what it is saying."""

    def recall(self, history: Sequence[HistoryItem]) -> None:
        """Let the model know what was said in the call before, after what it knows of it already."""

    def end_turn(self, item_id: str, was_speech: bool) -> None:
        """The caller has stopped speaking and is to be answered; or it was no speech, and is to be forgotten.

        Only for a session that was told to leave that to us.
        """

    def inject(self, text: str, respond: bool) -> None:
        """Let the model know something that nobody said; `respond`: it is to say something about it now."""

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        """What a tool said. The model goes on when all tools that it has called so far have answered."""

    def instruct(self, instructions: str) -> None:
        """Replace the instructions, from the next response on."""

    def counters(self) -> dict[str, int]:
        """What was dropped or ignored: `dropped_ms` of caller audio, late deltas, unknown events, ..."""

    def finish(self) -> None:
        """The call is over: what is still to be told of it is told before this returns. `close` follows."""

    async def close(self) -> None:
        """End the session. Idempotent; no events after it returns."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a WebSocket backend lives. `headers` carry the key, so they don't print."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    ready_deadline_ms: int
    send_every_ms: int
    """A message carries at least so much of the caller's audio."""


class WireProtocol(Protocol):
    """A vendor's protocol without I/O: messages in, events out, messages to send. Never raises on input."""

    input_format: AudioFormat
    output_format: AudioFormat

    def configure(self) -> None:
        """Ask for the session we want, if that hasn't been asked yet."""

    def receive_message(self, data: bytes | str) -> None:
        """One WebSocket message from the backend."""

    def next_event(self) -> BackendEvent | None:
        """The next event due, oldest first. `BackendLost` before `SessionReady` means we were turned away."""

    def lose(self, code: str, message: str) -> None:
        """The connection is gone: the last events, `BackendLost` the very last, are due."""

    def messages_to_send(self) -> list[bytes]:
        """Control messages due, as JSON text. Returns each once."""

    @property
    def is_busy(self) -> bool: ...

    def audio_message(self, audio: bytes) -> bytes:
        """The JSON text that carries `audio` in `input_format`."""

    def greet(self) -> None: ...

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None: ...

    def send_digit(self, digit: str) -> None: ...

    def say(self, text: str) -> None: ...

    def recall(self, history: Sequence[HistoryItem]) -> None: ...

    def end_turn(self, item_id: str, was_speech: bool) -> None: ...

    def inject(self, text: str, respond: bool) -> None: ...

    def answer_tool(self, tool_call_id: str, output: str) -> None: ...

    def instruct(self, instructions: str) -> None: ...

    def counters(self) -> dict[str, int]: ...
