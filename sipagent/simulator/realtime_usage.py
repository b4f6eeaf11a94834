"""Usage as OpenAI counts it: audio by token rates, and the whole conversation again for each response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The caller's audio makes 600 tokens a minute, the model's 1200.
CALLER_MS_PER_TOKEN = 100
MODEL_MS_PER_TOKEN = 50
LETTERS_PER_TOKEN = 4


def text_tokens(text: str) -> int:
    return -(-len(text) // LETTERS_PER_TOKEN)


def response_usage(
    conversation_tokens: tuple[int, int], settings: Mapping[str, Any], text_length: int, audio_ms: int
) -> dict[str, Any]:
    """`conversation_tokens` are text and audio at the start; what came before the last turn was cached."""
    text_in, audio_in = conversation_tokens
    text_in += text_tokens(str(settings.get("instructions", "")))
    cached = (text_in + audio_in) * 3 // 4 // 64 * 64
    cached_text = min(cached, text_in)
    text_out = text_length // LETTERS_PER_TOKEN
    audio_out = audio_ms // MODEL_MS_PER_TOKEN
    return {
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached - cached_text,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def transcription_usage(audio_ms: int, text: str) -> dict[str, Any]:
    audio, out = audio_ms // CALLER_MS_PER_TOKEN, text_tokens(text)
    return {
        "type": "tokens",
        "total_tokens": audio + out,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": out,
    }


def rate_limits(used_tokens: int) -> list[dict[str, Any]]:
    left = max(0, 50000 - used_tokens)
    return [
        {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 60},
        {"name": "tokens", "limit": 50000, "remaining": left, "reset_seconds": 60},
    ]
