"""How an agent's configuration becomes an OpenAI Realtime session: where to connect, and what to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from sipagent.backends.base import Endpoint
from sipagent.config import (
    AgentConfig,
    OpenAIRealtimeConfig,
    Secret,
    ServerVadConfig,
    TurnDetectionConfig,
)
from sipagent.config.tools import McpToolConfig, ToolConfig
from sipagent.formats import ALAW, ULAW, AudioFormat

PCM24 = AudioFormat("pcm", 24000)
#: So many are kept, put together with the model's name.
MAX_URLS = 64

#: G.711 takes no `rate` key here: OpenAI rejects it as an unknown parameter.
_WIRE_FORMATS: dict[AudioFormat, dict[str, Any]] = {
    ULAW: {"type": "audio/pcmu"},
    ALAW: {"type": "audio/pcma"},
    PCM24: {"type": "audio/pcm", "rate": 24000},
}


def endpoint(config: OpenAIRealtimeConfig) -> Endpoint:
    """Reads the secrets: raises `ConfigError` when one is gone."""
    headers = {
        name: value.resolve() if isinstance(value, Secret) else value
        for name, value in config.headers.items()
    }
    if config.api_key is not None:
        key = config.api_key.resolve()
        bearer = config.api_key_header.lower() == "authorization"
        headers[config.api_key_header] = f"Bearer {key}" if bearer else key
    url = _with_model(config.url, config.model)
    return Endpoint(url, headers, config.ready_deadline_ms, config.send_every_ms)


@lru_cache(MAX_URLS)
def _with_model(url: str, model: str) -> str:
    parts = urlsplit(url)
    if not model or "model" in parse_qs(parts.query):
        return url
    query = "&".join(part for part in (parts.query, urlencode({"model": model})) if part)
    return urlunsplit(parts._replace(query=query))


def audio_format(config: OpenAIRealtimeConfig, law: AudioFormat) -> AudioFormat:
    return {"auto": law, "pcmu": ULAW, "pcma": ALAW, "pcm24": PCM24}[config.audio]


def session(agent: AgentConfig, config: OpenAIRealtimeConfig, audio: AudioFormat) -> dict[str, Any]:
    """The `session` of session.update, in the GA shape. `extra_session` has the last word, key by key.

    Defaults are always spelled out: those of the documentation and those of the server differ. Raises
    `ConfigError` where a secret of an MCP server is gone.
    """
    asked: dict[str, Any] = {
        "type": "realtime",
        "instructions": agent.instructions,
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": _WIRE_FORMATS[audio],
                "noise_reduction": {"type": agent.noise_reduction} if agent.noise_reduction else None,
                "transcription": _transcription(agent),
                "turn_detection": _turn_detection(agent.turn_detection, agent.decides_turns),
            },
            "output": {"format": _WIRE_FORMATS[audio], "voice": agent.voice},
        },
        "max_output_tokens": agent.max_output_tokens,
    }
    if agent.tools:
        asked |= {"tools": [_tool(name, tool) for name, tool in agent.tools.items()], "tool_choice": "auto"}
    return merged(asked, config.extra_session)


def format_mismatch(asked: Mapping[str, Any], granted: Mapping[str, Any]) -> str:
    """What the server made of our audio formats if it isn't what we asked for; else an empty string.

    A server that ignores `audio/pcmu` and goes on in PCM would be heard as noise.
    """
    for side in ("input", "output"):
        want = _format_type(asked, side)
        got = _format_type(granted, side)
        if got is not None and got != want:
            return f"asked for {want} as {side}, was granted {got}"
    return ""


def merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `extra` laid over it, object by object."""
    result = dict(base)
    for key, value in extra.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _transcription(agent: AgentConfig) -> dict[str, Any] | None:
    if agent.transcription is None:
        return None
    return agent.transcription.model_dump(exclude_none=True)


def _turn_detection(turns: TurnDetectionConfig, decide_ourselves: bool) -> dict[str, Any]:
    common = {
        "type": turns.kind,
        "create_response": not decide_ourselves,
        "interrupt_response": turns.interrupt_response and not decide_ourselves,
    }
    if not isinstance(turns, ServerVadConfig):
        return {**common, "eagerness": turns.eagerness}
    return {
        **common,
        "threshold": turns.threshold,
        "prefix_padding_ms": turns.prefix_padding_ms,
        "silence_duration_ms": turns.silence_duration_ms,
    }


def _tool(name: str, tool: ToolConfig) -> dict[str, Any]:
    """One of the session's tools. Nobody could be asked for approval while on the telephone."""
    if not isinstance(tool, McpToolConfig):
        described = {"name": name, "description": tool.description, "parameters": dict(tool.declared())}
        return {"type": "function", **described}
    asked: dict[str, Any] = {
        "type": "mcp",
        "server_label": name,
        "server_url": tool.server_url,
        "require_approval": "never",
    }
    if tool.description:
        asked["server_description"] = tool.description
    if tool.authorization is not None:
        asked["authorization"] = tool.authorization.resolve()
    if tool.allowed_tools is not None:
        asked["allowed_tools"] = list(tool.allowed_tools)
    return asked


def _format_type(session: Any, side: str) -> str | None:
    for key in ("audio", side, "format", "type"):
        if not isinstance(session, Mapping):
            return None
        session = session.get(key)
    return session if isinstance(session, str) else None
