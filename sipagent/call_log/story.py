"""One call on one page: its facts, its timeline, its quality, its cost and its files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sipagent.call_log.timeline import timeline

QUALITY = (
    *("packets", "lost", "late", "loss_percent", "concealed_ms", "jitter_mean_ms", "jitter_max_ms"),
    *("mos", "foreign", "unauthenticated", "replayed"),
)


def story(record: Mapping[str, Any]) -> str:
    """What `sipagent calls show` prints of a record."""
    parts = (_facts(record), _timeline(record), _quality(record), _cost(record), _files(record))
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _facts(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"call {record.get('call_id')}: {record.get('call_status')}, {record.get('end_reason')}"
    who = f"{record.get('from') or '?'} -> {record.get('to') or '?'}"
    yield f"{who} over {record.get('trunk')}, agent {record.get('agent') or 'none'}"
    yield f"{record.get('received_at')} to {record.get('ended_at')}, {record.get('duration_s')} s answered"
    yield f"SIP Call-ID {record.get('sip_call_id')}"


def _timeline(record: Mapping[str, Any]) -> Iterator[str]:
    yield from map(str, timeline(record))


def _quality(record: Mapping[str, Any]) -> Iterator[str]:
    rtp = record.get("rtp") or {}
    for direction, figures in rtp.items():
        if isinstance(figures, Mapping):
            shown = (f"{name} {figures[name]}" for name in QUALITY if figures.get(name) is not None)
            yield f"RTP {direction}: " + (", ".join(shown) or "nothing known")
        elif figures is not None:
            yield f"RTP {direction}: {figures}"


def _cost(record: Mapping[str, Any]) -> Iterator[str]:
    for model, tokens in (record.get("tokens") or {}).items():
        yield f"tokens of {model or 'a model without a name'}: " + ", ".join(
            f"{count} {kind}" for kind, count in tokens.items()
        )
    cost = record.get("cost")
    if isinstance(cost, Mapping):
        parts = f"model {cost.get('model')}, trunk {cost.get('trunk')}"
        yield f"cost: {cost.get('total')} {cost.get('currency')} ({parts})"


def _files(record: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("recording", "transcript", "ladder"):
        if record.get(kind):
            note = " (truncated)" if kind == "recording" and record.get("recording_truncated") else ""
            yield f"{kind}: {record[kind]}{note}"
