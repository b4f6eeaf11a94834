"""OpenAI Realtime messages: the server's, as far as we read them, and ours.

Sources: GA types of the `openai` package 3.52.0 (`openai/types/realtime`), with the delta names of the beta
shape accepted besides, since compatible servers still speak it.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pybase64

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]

#: OpenAI nests two deep; what lies deeper than this is not read.
MAX_USAGE_DEPTH = 4


class Fault(msgspec.Struct, frozen=True):
    """The `error` of an error event, a failed transcription or a failed response."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None

    @property
    def name(self) -> str:
        return self.code or self.type or "unknown_error"

    def __str__(self) -> str:
        return f"{self.message or self.name}" + (f" ({self.param})" if self.param else "")


class StatusDetails(msgspec.Struct, frozen=True):
    reason: str | None = None
    error: Fault | None = None


class Response(msgspec.Struct, frozen=True):
    id: str | None = None
    status: str | None = None
    status_details: StatusDetails | None = None
    usage: dict[str, Any] | None = None


class ContentPart(msgspec.Struct, frozen=True):
    transcript: str | None = None


class Item(msgspec.Struct, frozen=True):
    """A message of the model's, or with `type` function_call its wish to have a tool run, or with mcp_call
    one that its host has run.
    """

    id: str | None = None
    type: str | None = None
    status: str | None = None
    content: list[ContentPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    server_label: str | None = None
    output: str | None = None
    error: dict[str, Any] | None = None


class ServerEvent(msgspec.Struct, frozen=True):
    """Every field we use of any server event: one decoding pass, other fields are skipped unread.

    `delta` stays base64 until someone needs it, for text comes under the same name.
    """

    type: str
    response_id: str | None = None
    item_id: str | None = None
    content_index: Int32 | None = None
    delta: str | None = None
    transcript: str | None = None
    audio_start_ms: Int32 | None = None
    audio_end_ms: Int32 | None = None
    item: Item | None = None
    response: Response | None = None
    session: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: Fault | None = None


#: Events of the protocol that tell a leg nothing. Whatever else comes is counted as unknown.
OF_NO_USE = frozenset(
    {
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.deleted",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "input_audio_buffer.committed",
        "input_audio_buffer.timeout_triggered",
        "mcp_list_tools.completed",
        "mcp_list_tools.in_progress",
        "rate_limits.updated",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.added",
    }
)

_decoder = msgspec.json.Decoder(ServerEvent, strict=False)
_encoder = msgspec.json.Encoder()

_APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL = b'"}'


def decode_event(data: bytes | str) -> ServerEvent:
    """Raises `msgspec.DecodeError`, or its subclass `ValidationError` when a field has an unexpected type."""
    try:
        return _decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:  # msgspec wraps neither
        raise msgspec.DecodeError(str(error)) from error


def usage_counts(usage: dict[str, Any], depth: int = MAX_USAGE_DEPTH) -> dict[str, Any]:
    """Of a `usage`, the numbers of up to 64 bits and the objects of such: what records can add up."""
    counts: dict[str, Any] = {}
    for name, value in usage.items():
        if isinstance(value, dict) and depth > 1:
            counts[name] = usage_counts(value, depth - 1)
        elif isinstance(value, (int, float)) and abs(value) < 2**63:
            counts[name] = value
    return counts


def decode_audio(delta: str) -> bytes:
    """Raises ValueError for what is not base64. White space and the like are skipped."""
    return pybase64.b64decode(delta)


def append_message(audio: bytes) -> bytes:
    """`input_audio_buffer.append`, put together by hand: it is sent 50 times a second in every call."""
    return _APPEND_HEAD + pybase64.b64encode(audio) + _APPEND_TAIL


class Outbox:
    """Client messages to send. Each has an `event_id`, `<kind>_<n>`, which an error about it will echo."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._built = 0

    def send(self, kind: str, **fields: Any) -> None:
        self._built += 1
        self._messages.append(_encoder.encode({"type": kind, "event_id": f"{kind}_{self._built}", **fields}))

    def drain(self) -> list[bytes]:
        messages, self._messages = self._messages, []
        return messages
