"""What a backend says of its usage, as quantities that have a price. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Quantities:
    """Tokens by kind, and seconds of audio or session where the vendor counts those.

    `text_input` and `audio_input` are what was not cached; what is cached stands beside it.
    """

    text_input: int = 0
    cached_text_input: int = 0
    audio_input: int = 0
    cached_audio_input: int = 0
    text_output: int = 0
    audio_output: int = 0
    seconds: float = 0.0

    def __add__(self, other: Quantities) -> Quantities:
        return Quantities(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def tokens(self) -> dict[str, int]:
        """The tokens by kind, without those kinds that there are none of."""
        return {kind: count for kind, count in asdict(self).items() if count and kind != "seconds"}


def quantities(usage: Mapping[str, Any]) -> Quantities:
    """`usage` of a response or a transcription, in the words of OpenAI Realtime: cached tokens are part of
    the input tokens, and image tokens count as text. Tokens that aren't told apart are text."""
    given, made = _part(usage, "input_token_details"), _part(usage, "output_token_details")
    cached = _part(given, "cached_tokens_details")
    audio_in, audio_out = _count(given, "audio_tokens"), _count(made, "audio_tokens")
    text_in = max(_count(usage, "input_tokens"), audio_in + _count(given, "text_tokens")) - audio_in
    text_out = max(_count(usage, "output_tokens"), audio_out + _count(made, "text_tokens")) - audio_out
    cached_audio = min(_count(cached, "audio_tokens"), audio_in)
    cached_text = min(max(_count(given, "cached_tokens") - cached_audio, 0), text_in)
    return Quantities(
        text_input=text_in - cached_text,
        cached_text_input=cached_text,
        audio_input=audio_in - cached_audio,
        cached_audio_input=cached_audio,
        text_output=text_out,
        audio_output=audio_out,
        seconds=float(max(_number(usage, "seconds"), 0)),
    )


def _part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = value.get(key)
    return part if isinstance(part, Mapping) else {}


def _count(value: Mapping[str, Any], key: str) -> int:
    return int(max(_number(value, key), 0))


def _number(value: Mapping[str, Any], key: str) -> float:
    """0 for what is no number, or none that could be a count."""
    number = value.get(key)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return 0
    return number if abs(number) < 2**53 else 0
