"""A call record as a story: what happened, in order, in seconds after its beginning. Pure.

Lists of the record whose entries have a time are told entry by entry, those that this module has no words for
too: what a later version records is shown as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened `at_s` after the call began."""

    at_s: float
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.at_s:9.3f}  {self.what:<10} {self.detail}".rstrip()


def timeline(record: Record) -> list[Moment]:
    """All that the record tells with a time, in order; what has one time in the order of a call's life."""
    moments = [*_beginning(record), *_steps(record), *_happenings(record), *_end(record)]
    return sorted(moments, key=lambda moment: moment.at_s)


def _beginning(record: Record) -> Iterator[Moment]:
    over = record.get("trunk") or "no trunk"
    invite = (
        f"{record.get('from') or '?'} -> {record.get('to') or '?'}, {record.get('direction')} over {over}"
    )
    first = "originated" if record.get("direction") == "outbound" else "INVITE"
    yield Moment(0.0, first, f"{invite}, {record.get('source') or ''}".rstrip(", "))
    for said in record.get("route_trail") or ():
        if isinstance(said, Mapping) and not said.get("passed", True):
            yield Moment(0.0, "rule", f"{said.get('rule')}: {said.get('detail')}")
    if record.get("route"):
        yield Moment(0.0, "decision", str(record["route"]))
    if record.get("reason_code"):
        yield Moment(
            0.0, "refused", f"{record.get('sip_status')} {record['reason_code']}: {record.get('detail')}"
        )


def _steps(record: Record) -> Iterator[Moment]:
    timings = record.get("timings") or {}
    codec = ", ".join(str(each) for each in (record.get("codec"), record.get("srtp")) if each)
    steps = {
        "backend_ready_ms": ("ready", "the backend can take the call"),
        "answered_ms": ("answered", codec),
        "first_rtp_ms": ("media", "first packet of the peer"),
        "first_agent_audio_ms": ("media", "first audio of the agent"),
    }
    for key, (what, detail) in steps.items():
        if isinstance(timings.get(key), (int, float)):
            yield Moment(timings[key] / 1000, what, detail)
    yield from _answerer(record)
    dial = record.get("dial") or {}
    early = ", with audio of the network's" if dial.get("early_media") else ""
    dialling = {
        "dialled_s": ("INVITE", str(dial.get("to_uri"))),
        "progressed_s": ("progress", f"the callee's side has the call{early}"),
    }
    for key, (what, detail) in dialling.items():
        if isinstance(dial.get(key), (int, float)):
            yield Moment(float(dial[key]), what, detail)


def _answerer(record: Record) -> Iterator[Moment]:
    """Who answered a call of ours, and when a message could be left."""
    who, beep = record.get("answered_by") or {}, record.get("beep") or {}
    if isinstance(who.get("at_s"), (int, float)):
        yield Moment(who["at_s"], "answerer", f"{who.get('kind')}, {who.get('reason')}")
    if isinstance(beep.get("at_s"), (int, float)):
        tone = f"{beep['hz']} Hz for {beep.get('duration_ms')} ms" if beep.get("hz") else "silence instead"
        yield Moment(beep["at_s"], "beep", tone)


def _happenings(record: Record) -> Iterator[Moment]:
    for key, entries in record.items():
        if not isinstance(entries, list):
            continue
        tell = TELLERS.get(key, _as_it_stands)
        for entry in entries:
            at_s = entry.get("at_s", entry.get("started_s")) if isinstance(entry, Mapping) else None
            if isinstance(at_s, (int, float)):
                yield Moment(float(at_s), *tell(key, entry))


def _end(record: Record) -> Iterator[Moment]:
    began, ended = record.get("received_monotonic_s"), record.get("ended_monotonic_s")
    at_s = ended - began if isinstance(began, (int, float)) and isinstance(ended, (int, float)) else None
    why = f"{record.get('end_reason')} ({record.get('sip_status')})"
    if record.get("outcome"):
        cause = f", Q.850 cause {record['q850']}" if record.get("q850") is not None else ""
        why += f", {record['outcome']}{cause}"
    if record.get("detail") and not record.get("reason_code"):
        why += f": {record['detail']}"
    if at_s is None:
        at_s = max((moment.at_s for moment in (*_steps(record), *_happenings(record))), default=0.0)
        why += ", at a time unknown"
    yield Moment(at_s, "ended", why)


# --- the words for each list ------------------------------------------------------------------------


def _turn(_key: str, turn: Record) -> tuple[str, str]:
    parts = [f"“{turn['text']}”" if turn.get("text") else "(no text)"]
    if turn.get("played_ms") is not None:
        parts.append(f"{turn['played_ms']} ms heard")
    if turn.get("interrupted"):
        parts.append(f"interrupted, {turn.get('flushed_ms')} ms not heard")
    if starved := turn.get("starvations"):
        parts.append("holes: " + ", ".join(f"{frames} x 20 ms {cause}" for cause, frames in starved.items()))
    return str(turn.get("role")), "; ".join(parts)


def _digit(_key: str, digit: Record) -> tuple[str, str]:
    return "digit", f"{digit.get('digit')} pressed, {digit.get('duration_ms')} ms, by {digit.get('method')}"


def _digits_sent(_key: str, sent: Record) -> tuple[str, str]:
    return "digits", f"{sent.get('digits')} sent by {sent.get('method')}"


def _hold(_key: str, hold: Record) -> tuple[str, str]:
    until = "until the end" if hold.get("ended_s") is None else f"until {hold['ended_s']:.3f}"
    return "hold", f"{until}, we were {hold.get('direction')}"


def _transfer(_key: str, transfer: Record) -> tuple[str, str]:
    to = transfer.get("target") or transfer.get("to")
    parts = [f"to {to} by {transfer.get('how')}: {transfer.get('outcome')}"]
    for step in ("joined_s", "ended_s"):
        if isinstance(transfer.get(step), (int, float)):
            parts.append(f"{step.removesuffix('_s')} at {transfer[step]:.3f}")
    if transfer.get("detail"):
        parts.append(str(transfer["detail"]))
    return "transfer", ", ".join(parts)


def _leg(_key: str, leg: Record) -> tuple[str, str]:
    outcome = f"{leg.get('end_reason')} ({leg.get('sip_status')})"
    return "call out", f"to {leg.get('to')} over {leg.get('trunk')}: {outcome}"


def _problem(_key: str, problem: Record) -> tuple[str, str]:
    return "problem", f"{problem.get('code')}: {problem.get('message')}"


def _as_it_stands(key: str, entry: Record) -> tuple[str, str]:
    fields = (f"{name}={value}" for name, value in entry.items() if name not in ("at_s", "started_s"))
    return key.removesuffix("s"), ", ".join(fields)


TELLERS: Mapping[str, Callable[[str, Record], tuple[str, str]]] = {
    "turns": _turn,
    "digits": _digit,
    "digits_sent": _digits_sent,
    "holds": _hold,
    "transfers": _transfer,
    "legs": _leg,
    "problems": _problem,
}
