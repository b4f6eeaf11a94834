"""What a Realtime server accepts from a client, key by key: strict, as OpenAI's is, and as clones aren't.

Source: `openai/types/realtime` 3.52.0 for the keys, and user reports for the error codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")

_VAD_DEFAULTS: dict[str, dict[str, Any]] = {
    "server_vad": {
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {"eagerness": "auto", "create_response": True, "interrupt_response": True},
}


class ClientError(Exception):
    """What the client did wrong; becomes an `error` event."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


def new_session(session_id: str, model: str, expires_at: int) -> dict[str, Any]:
    """The session as it is before the first session.update."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    **_VAD_DEFAULTS["server_vad"],
                    "silence_duration_ms": 200,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
        },
        "include": None,
    }


def updated_session(session: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """`session` with `update` merged in: only keys that are present change. Raises `ClientError`."""
    SESSION(update, "session")
    if "type" not in update:
        raise ClientError(
            "missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type"
        )
    if update.get("model", session["model"]) != session["model"]:
        raise ClientError("invalid_value", "The model of a session can't be changed.", "session.model")
    audio = update.get("audio") or {}
    merged = {**session, **update}
    merged["audio"] = {
        "input": _updated_input(session["audio"]["input"], audio.get("input") or {}),
        "output": {**session["audio"]["output"], **(audio.get("output") or {})},
    }
    return merged


def check_message(message: object) -> Mapping[str, Any]:
    """A client event of a known type with known keys. Raises `ClientError`."""
    if not isinstance(message, dict):
        raise ClientError("invalid_event", "The event must be a JSON object.")
    kind = message.get("type")
    if kind is None:
        raise ClientError("invalid_event", "The 'type' field is missing.")
    keys = _MESSAGES.get(kind) if isinstance(kind, str) else None
    if keys is None:
        supported = ", ".join(f"'{name}'" for name in _MESSAGES)
        raise ClientError(
            "invalid_value", f"Invalid value: '{kind}'. Supported values are: {supported}.", "type"
        )
    for key in message:
        if key not in keys and key not in ("type", "event_id"):
            raise ClientError("unknown_parameter", f"Unknown parameter: '{key}'.", key)
    for key, required in keys.items():
        if required and key not in message:
            raise ClientError("missing_required_parameter", f"Missing required parameter: '{key}'.", key)
    return message


def _updated_input(now: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**now, **update}
    turns = update.get("turn_detection")
    if turns is not None:
        kind = turns.get("type", "server_vad")
        before = now["turn_detection"] if (now["turn_detection"] or {}).get("type") == kind else {}
        merged["turn_detection"] = {"type": kind, **_VAD_DEFAULTS[kind], **before, **turns}
    return merged


def _anything(value: Any, path: str) -> None:
    pass


def _one_of(*allowed: object) -> Check:
    def check(value: Any, path: str) -> None:
        if value not in allowed:
            names = ", ".join(f"'{name}'" for name in allowed)
            raise ClientError(
                "invalid_value", f"Invalid value: '{value}'. Supported values are: {names}.", path
            )

    return check


def _a(kind: type | tuple[type, ...]) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ClientError("invalid_type", f"Invalid type for '{path}'.", path)

    return check


def _number(low: float, high: float) -> Check:
    def check(value: Any, path: str) -> None:
        _a((int, float))(value, path)
        if not low <= value <= high:
            raise ClientError("invalid_value", f"Invalid '{path}': must be within {low} and {high}.", path)

    return check


def _optional(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def _object(**keys: Check) -> Check:
    def check(value: Any, path: str) -> None:
        _a(dict)(value, path)
        for key, inner in value.items():
            below = f"{path}.{key}"
            if key not in keys:
                raise ClientError("unknown_parameter", f"Unknown parameter: '{below}'.", below)
            keys[key](inner, below)

    return check


def _by_type(**shapes: Check) -> Check:
    def check(value: Any, path: str) -> None:
        _a(dict)(value, path)
        kind = str(value.get("type"))
        _one_of(*(name.replace("__", "/") for name in shapes))(kind, f"{path}.type")
        shapes[kind.replace("/", "__")](value, path)

    return check


def _max_tokens(value: Any, path: str) -> None:
    if value != "inf":
        _number(1, 4096)(value, path)


def _modalities(value: Any, path: str) -> None:
    if value not in (["audio"], ["text"]):
        raise ClientError("invalid_value", "Supported combinations are: ['text'] and ['audio'].", path)


def _voice(value: Any, path: str) -> None:
    if not isinstance(value, dict):  # an object names a custom voice
        _one_of(*VOICES)(value, path)


_FORMAT = _by_type(
    audio__pcm=_object(type=_anything, rate=_one_of(24000)),
    audio__pcmu=_object(type=_anything),
    audio__pcma=_object(type=_anything),
)
_SERVER_VAD = _object(
    type=_anything,
    threshold=_number(0, 1),
    prefix_padding_ms=_number(0, 60000),
    silence_duration_ms=_number(0, 60000),
    idle_timeout_ms=_optional(_number(5000, 30000)),
    create_response=_a(bool),
    interrupt_response=_a(bool),
)
_SEMANTIC_VAD = _object(
    type=_anything,
    eagerness=_one_of("low", "medium", "high", "auto"),
    create_response=_a(bool),
    interrupt_response=_a(bool),
)
_TRANSCRIPTION = _object(
    model=_a(str), language=_a(str), languages=_a(list), prompt=_a(str), keywords=_a(list), delay=_a(str)
)
_INPUT = _object(
    format=_FORMAT,
    noise_reduction=_optional(_object(type=_one_of("near_field", "far_field"), strength=_number(0, 1))),
    transcription=_optional(_TRANSCRIPTION),
    turn_detection=_optional(_by_type(server_vad=_SERVER_VAD, semantic_vad=_SEMANTIC_VAD)),
)
_COMMON: dict[str, Check] = {
    "instructions": _a(str),
    "output_modalities": _modalities,
    "tools": _a(list),
    "tool_choice": _anything,
    "parallel_tool_calls": _a(bool),
    "reasoning": _anything,
    "max_output_tokens": _max_tokens,
    "prompt": _anything,
}
SESSION = _object(
    type=_one_of("realtime"),
    model=_a(str),
    audio=_object(input=_INPUT, output=_object(format=_FORMAT, voice=_voice, speed=_number(0.25, 1.5))),
    truncation=_anything,
    tracing=_anything,
    include=_optional(_a(list)),
    **_COMMON,
)
RESPONSE = _object(
    conversation=_a(str),
    metadata=_optional(_a(dict)),
    input=_a(list),
    audio=_object(output=_object(format=_FORMAT, voice=_voice)),
    **_COMMON,
)

#: The keys of every client event, and whether they are required.
_MESSAGES: dict[str, dict[str, bool]] = {
    "session.update": {"session": True},
    "input_audio_buffer.append": {"audio": True},
    "input_audio_buffer.commit": {},
    "input_audio_buffer.clear": {},
    "conversation.item.create": {"item": True, "previous_item_id": False},
    "conversation.item.retrieve": {"item_id": True},
    "conversation.item.truncate": {"item_id": True, "content_index": True, "audio_end_ms": True},
    "conversation.item.delete": {"item_id": True},
    "response.create": {"response": False},
    "response.cancel": {"response_id": False},
}
