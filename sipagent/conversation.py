"""What has been said in a call, as a model that takes over has to know it: only what was heard. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What one side said. Of the agent's words, those that the caller heard."""

    role: Literal["caller", "agent"]
    text: str


class Noted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the model was let know besides: keys that were pressed, context from outside."""

    text: str


class ToolUsed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A tool that the model called, and what it answered. `arguments` is JSON text."""

    tool_call_id: str
    name: str
    arguments: str
    output: str


HistoryItem = Said | Noted | ToolUsed
