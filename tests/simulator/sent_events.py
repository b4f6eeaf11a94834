"""The events that a simulated session sent, as tests look at them."""

from __future__ import annotations

import base64
from typing import Any

TRANSCRIPTION = "conversation.item.input_audio_transcription"


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def one(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (event,) = [event for event in events if event["type"] == kind]
    return event


def error(events: list[dict[str, Any]]) -> dict[str, Any]:
    return one(events, "error")["error"]


def audio_of(events: list[dict[str, Any]]) -> bytes:
    deltas = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
    return b"".join(base64.b64decode(delta) for delta in deltas)


def without_repeats(names: list[str]) -> list[str]:
    """Runs of the same pair of deltas count once."""
    seen: list[str] = []
    for name in names:
        if not (name.endswith(".delta") and name in seen):
            seen.append(name)
    return seen
