"""What receivers are told: names and contents of messages, from events and from call records. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from sipagent import events
from sipagent.call.record.builder import RecordBuilder
from sipagent.call.record.call_record import iso
from sipagent.call.record.outward import fields_of, name_of, summary, summary_of
from sipagent.call.record.redaction import masked, own_numbers
from sipagent.config import RedactionConfig, WebhookConfig
from sipagent.outbound.dial import Dial
from sipagent.outbound.outward import shown

#: Told from the call record instead, which is safe on disk.
ENDED = "call.ended"
TRANSCRIPT, RECORDING = "transcript.finished", "recording.finished"
TRUNK_STATE = "trunk.state_changed"
TEST = "webhook.test"
_IDENTIFIERS = frozenset({"call_id", "sip_call_id", "item_id", "tool_call_id", "prompt_id"})


@dataclass(frozen=True, slots=True)
class Message:
    """`message_id` is the same however often it is sent. Messages of one `lane` keep their order."""

    message_id: str
    lane: str
    type: str
    body: bytes


def wants(endpoint: WebhookConfig, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in endpoint.events)


class Story:
    """One call as its messages tell it. `wall` is the Unix time of its first event."""

    def __init__(self, begun: events.CallBegun, wall: float, policy: RedactionConfig) -> None:
        self._builder = RecordBuilder(begun, wall)
        self._wall_minus_monotonic = wall - begun.at
        self._policy = policy
        self._sequence = 0

    def messages(
        self, event: events.Event, endpoints: tuple[WebhookConfig, ...]
    ) -> Iterator[tuple[str, Message]]:
        """Take the next event of the call, and say what each endpoint is to be told of it."""
        self._builder.apply(event)
        self._sequence += 1
        name = name_of(type(event))
        fields = fields_of(event, self._policy)
        if isinstance(event, events.CallEnded) or fields is None:
            return
        for endpoint in endpoints:
            if wants(endpoint, name):
                yield endpoint.name, self._message(event, name, fields, endpoint)

    def _message(
        self, event: events.Event, name: str, told: Mapping[str, Any], endpoint: WebhookConfig
    ) -> Message:
        record = self._builder.record
        fields = {"call": summary_of(record, self._policy), "sequence": self._sequence, **told}
        if "mask" in (endpoint.numbers, self._policy.caller_numbers):
            fields = without_numbers(fields, own_numbers(record))
        message_id = f"msg_{event.call_id}_{self._sequence}"
        return _message(message_id, event.call_id, name, self._wall_minus_monotonic + event.at, fields)


def of_record(entry: Mapping[str, Any], endpoint: WebhookConfig) -> Iterator[Message]:
    """The last messages of a call, from its record as it stands in the spool, `call.ended` after all."""
    call_id, ended_at = str(entry["call_id"]), str(entry.get("ended_at"))
    call = summary(entry)
    last: dict[str, dict[str, Any]] = {}
    if entry.get("recording"):
        truncated = bool(entry.get("recording_truncated"))
        last[RECORDING] = {"call": call, "recording": entry["recording"], "truncated": truncated}
    if entry.get("transcript"):
        last[TRANSCRIPT] = {"call": call, "turns": entry.get("turns", [])}
    last[ENDED] = {"call": call, "record": dict(entry)}
    own = entry.get("to" if entry.get("direction") == "inbound" else "from")
    for name, data in last.items():
        if wants(endpoint, name):
            shown = without_numbers(data, {str(own)}) if endpoint.numbers == "mask" else data
            yield _sealed(f"msg_{call_id}_{name.replace('.', '_')}", call_id, name, ended_at, shown)


def of_trunk(event: events.TrunkStateChanged, wall: float) -> Message:
    fields = {key: value for key, value in msgspec.structs.asdict(event).items() if key != "at"}
    message_id = f"msg_trunk_{event.trunk}_{round(wall * 1000)}"
    return _message(message_id, f"trunk:{event.trunk}", TRUNK_STATE, wall, fields)


def of_dial(dial: Dial, wall: float, policy: RedactionConfig) -> Message:
    """A dial that is over: `dial.completed`, `dial.failed`, `dial.cancelled`, `dial.expired`."""
    lane, message_id = f"dial:{dial.dial_id}", f"msg_dial_{dial.dial_id}"
    return _message(message_id, lane, f"dial.{dial.state}", wall, {"dial": shown(dial, policy)})


def of_test(message_id: str, wall: float) -> Message:
    return _message(message_id, "test", TEST, wall, {"text": "If you can read this, webhooks reach you."})


def without_numbers(value: Any, spared: Any, key: str = "") -> Any:
    """Phone numbers masked in every text, but for those that are `spared`, and identifiers left alone."""
    if isinstance(value, str):
        keeps = key in _IDENTIFIERS or key.endswith("_at")
        return value if keeps else masked(value, spared)
    if isinstance(value, Mapping):
        return {name: without_numbers(item, spared, name) for name, item in value.items()}
    if isinstance(value, list):
        return [without_numbers(item, spared, key) for item in value]
    return value


def _message(message_id: str, lane: str, name: str, wall: float, data: Mapping[str, Any]) -> Message:
    return _sealed(message_id, lane, name, iso(wall), data)


def _sealed(message_id: str, lane: str, name: str, timestamp: str, data: Mapping[str, Any]) -> Message:
    body = msgspec.json.encode({"type": name, "timestamp": timestamp, "data": data})
    return Message(message_id, lane, name, body)
