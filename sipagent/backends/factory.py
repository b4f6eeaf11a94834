"""The backend an agent's configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence

from sipagent.backends.base import Backend
from sipagent.backends.echo import EchoBackend
from sipagent.backends.openai_realtime import OpenAIRealtime
from sipagent.backends.openai_session import endpoint
from sipagent.backends.prompt import PromptBackend
from sipagent.backends.voicemail import VoicemailBackend
from sipagent.backends.websocket import WebSocketBackend
from sipagent.config import AgentConfig, EchoConfig, OpenAIRealtimeConfig, PromptConfig, VoicemailConfig
from sipagent.conversation import HistoryItem
from sipagent.formats import AudioFormat


def create_backend(agent: AgentConfig, law: AudioFormat, history: Sequence[HistoryItem] = ()) -> Backend:
    """One backend for one call whose phone side speaks `law`. Raises `ConfigError` when a secret is gone.

    `history` is what was said before, to a session that takes over.
    """
    match agent.backend:
        case OpenAIRealtimeConfig() as config:
            return WebSocketBackend(OpenAIRealtime(agent, config, law, history), endpoint(config))
        case EchoConfig():
            return EchoBackend(law)
        case PromptConfig() as config:
            return PromptBackend(config)
        case VoicemailConfig() as config:
            return VoicemailBackend(config)
