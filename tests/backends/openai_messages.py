"""Messages of the OpenAI Realtime protocol, as tests look at them."""

from __future__ import annotations

from typing import Any

TRANSCRIBED = "conversation.item.input_audio_transcription"


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]
