"""One session with a Realtime server: its messages and the leg's calls, a line each.

A line that begins with `!` is a call: `!interrupt ITEM CONTENT_INDEX HEARD_MS` or `!interrupt`, `!greet`,
`!digit`, and `!hello`, which configures the session without having been spoken to.
"""

from __future__ import annotations

import msgspec

from sipagent.backends.base import AudioReceived, BackendLost
from sipagent.backends.openai_realtime import OpenAIRealtime
from sipagent.config import AgentConfig, OpenAIRealtimeConfig
from sipagent.formats import ULAW

BACKEND = OpenAIRealtimeConfig(kind="openai_realtime")
AGENT = AgentConfig(name="fuzz", greeting="Hello.", backend=BACKEND)


def realtime(data: bytes) -> None:
    protocol = OpenAIRealtime(AGENT, BACKEND, ULAW)
    lost = False
    for line in data.split(b"\n"):
        if line.startswith(b"!"):
            _call(protocol, line[1:].split())
        else:
            protocol.receive_message(line)
        lost = _check_events(protocol, line, lost)
        for message in protocol.messages_to_send():
            sent = msgspec.json.decode(message)
            assert sent["event_id"].startswith(sent["type"])
    assert all(count >= 0 for count in protocol.counters().values())


def _check_events(protocol: OpenAIRealtime, line: bytes, lost: bool) -> bool:
    while (event := protocol.next_event()) is not None:
        assert not lost, "BackendLost is the last event"
        lost = isinstance(event, BackendLost)
        msgspec.msgpack.encode(event)  # what they tell has to pass to the control process
        if isinstance(event, AudioReceived):
            assert len(event.audio) <= len(line)
    return lost


def _call(protocol: OpenAIRealtime, words: list[bytes]) -> None:
    match words:
        case [b"interrupt", item, index, heard_ms]:
            protocol.interrupt(item.decode(errors="replace") or None, _number(index), _number(heard_ms))
        case [b"interrupt"]:
            protocol.interrupt(None, 0, 0)
        case [b"greet"]:
            protocol.greet()
        case [b"digit"]:
            protocol.send_digit("5")
        case [b"hello"]:
            protocol.configure()


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 7 else 0
