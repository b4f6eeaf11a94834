"""What was said before, as the items of a new OpenAI Realtime conversation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sipagent.conversation import HistoryItem, Noted, Said, ToolUsed


def items(history: Sequence[HistoryItem]) -> Iterator[dict[str, Any]]:
    """One item each, two for a tool: its call and its output. Audio can't be given back: all is text."""
    for past in history:
        match past:
            case Said(role="caller", text=text):
                yield message("user", "input_text", text)
            case Said(text=text):
                yield message("assistant", "output_text", text)
            case Noted(text=text):
                yield message("system", "input_text", text)
            case ToolUsed():
                call = {"call_id": past.tool_call_id, "name": past.name, "arguments": past.arguments}
                yield {"type": "function_call", **call}
                yield tool_output(past.tool_call_id, past.output)


def message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def tool_output(tool_call_id: str, output: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": tool_call_id, "output": output}
