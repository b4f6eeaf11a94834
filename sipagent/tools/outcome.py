"""What came of calling a tool, and how the model is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from sipagent.events import ToolOutcome


@dataclass(frozen=True, slots=True)
class Outcome:
    """`output` is for the model, `detail` for those who run the server."""

    kind: ToolOutcome
    output: str
    detail: str = ""

    @property
    def blames_tool(self) -> bool:
        """Is it the tool itself that is ill?"""
        return self.kind in ("failed", "timeout")


def error(kind: ToolOutcome, words: str, detail: str = "") -> Outcome:
    """A failure, in words by which the model can act."""
    return Outcome(kind, as_json({"error": words}), detail or words)


def as_json(value: Any) -> str:
    """Raises TypeError for what JSON doesn't have."""
    return msgspec.json.encode(value).decode()


def told(value: Any) -> str:
    """What a function returned, as the model is told it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else as_json(value)
