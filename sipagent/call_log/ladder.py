"""The SIP messages of a call, drawn as a ladder and written out below it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

WIDTH = 44


def drawn(messages: Iterable[Mapping[str, Any]]) -> str:
    """The ladder of a call's messages (lines of `ladders/DATE/CALL_ID.jsonl`), then each message whole."""
    kept = list(messages)
    rungs = [_rung(message) for message in kept]
    whole = [
        f"--- {message.get('at_s'):.3f} {message.get('direction')}\n{_text(message)}" for message in kept
    ]
    head = f"{'':>9}  {'peer':<{WIDTH}}  sipagent"
    return "\n".join([head, *rungs, "", *whole]) + "\n"


def _rung(message: Mapping[str, Any]) -> str:
    label = _label(_text(message))[: WIDTH - 6]
    line = f" {label} ".center(WIDTH - 2, "-")
    arrow = f"|{line}>|" if message.get("direction") == "in" else f"|<{line}|"
    return f"{message.get('at_s', 0.0):9.3f}  {arrow}"


def _label(text: str) -> str:
    """`INVITE`, or `200 OK (INVITE)`, whatever the message's first line and CSeq say."""
    first, *headers = text.splitlines() or [""]
    if not first.startswith("SIP/2.0 "):
        return first.partition(" ")[0] if first.endswith("SIP/2.0") else first
    method = next((line.split()[-1] for line in headers if line.lower().startswith("cseq:")), "")
    return first.removeprefix("SIP/2.0 ") + (f" ({method})" if method else "")


def _text(message: Mapping[str, Any]) -> str:
    return str(message.get("text") or "").replace("\r\n", "\n")
