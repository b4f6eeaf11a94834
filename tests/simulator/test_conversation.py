"""Our protocol and the simulated session talk to each other on one fake clock, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from sipagent.backends import base
from sipagent.backends.openai_realtime import OpenAIRealtime
from sipagent.config import AgentConfig, OpenAIRealtimeConfig
from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.simulator import voice
from sipagent.simulator.laws import encoded
from sipagent.simulator.realtime_options import Fail, Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_session import RealtimeSession

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


class Bridge:
    """Carries messages both ways and holds each against the official types."""

    def __init__(self, law: AudioFormat = ULAW, audio: str = "auto", **agent: Any) -> None:
        script = agent.pop("script", (Turn(heard="Well?", reply=[Pattern(pattern_ms=2000)] * 2),))
        options = RealtimeOptions(script=script, unknown_events=True, obedient=False)
        turns = {"kind": "server_vad", "silence_duration_ms": 200, **agent.pop("turns", {})}
        backend = {"kind": "openai_realtime", "audio": audio}
        settings = {"name": "test", "backend": backend, "greeting": "Hello.", "turn_detection": turns}
        config = AgentConfig.model_validate({**settings, **agent})
        assert isinstance(config.backend, OpenAIRealtimeConfig)
        self.now = 0.0
        self.protocol = OpenAIRealtime(config, config.backend, law)
        self.session = RealtimeSession(options, 1, "gpt-realtime-2.1", 1790000000, self.now)
        self.events: list[base.BackendEvent] = []
        self.server_errors: list[str] = []
        self.exchange()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def audio_of(self, item_id: str) -> bytes:
        return b"".join(event.audio for event in self.of(base.AudioReceived) if event.item_id == item_id)

    def exchange(self) -> None:
        busy = True
        while busy:
            busy = self._to_client() or self._to_server()

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (timer := self.session.next_timer()) is not None and timer <= end:
            self.now = max(self.now, timer)
            self.session.advance(self.now)
            self.exchange()
        self.now = end

    def say(self, ms: int, silence_ms: int = 0) -> None:
        caller = self.protocol.input_format
        audio = voice.tone(300, ms, caller) + encoded(bytes(caller.rate // 1000 * 2 * silence_ms), caller)
        frame = 20 * caller.bytes_per_ms
        for start in range(0, len(audio), frame):
            self.pass_time(0.02)
            self._server_gets(self.protocol.audio_message(audio[start : start + frame]))
            self.exchange()

    def _to_client(self) -> bool:
        for response, part in self.session.sounds_needed():
            response.provide(voice.sound(part, response.audio_format), self.now)
        events = self.session.events_to_send()
        for event in events:
            if event["type"] != "session.mood.updated":
                SERVER_EVENT.validate_python(event)
            if event["type"] == "error":
                self.server_errors.append(event["error"]["code"])
            self.protocol.receive_message(json.dumps(event))
            while (heard := self.protocol.next_event()) is not None:
                self.events.append(heard)
        return bool(events)

    def _to_server(self) -> bool:
        messages = self.protocol.messages_to_send()
        for message in messages:
            self._server_gets(message)
        return bool(messages)

    def _server_gets(self, message: bytes) -> None:
        CLIENT_EVENT.validate_json(message)
        self.session.receive_message(message, self.now)


@pytest.mark.parametrize(
    ("law", "audio", "flows"),
    [
        (ULAW, "auto", ULAW),
        (ALAW, "auto", ALAW),
        (ALAW, "pcmu", ULAW),
        (ULAW, "pcm24", AudioFormat("pcm", 24000)),
    ],
)
def test_a_conversation_in_every_format(law, audio, flows):
    bridge = Bridge(law, audio)
    assert isinstance(bridge.events[0], base.SessionReady)
    bridge.protocol.greet()
    bridge.exchange()
    bridge.pass_time(6)
    bridge.say(400, silence_ms=300)
    bridge.pass_time(6)
    items = list(dict.fromkeys(event.item_id for event in bridge.of(base.AudioReceived)))
    heard = [bridge.audio_of(item) for item in items]
    assert heard == [voice.pattern(number, 2000, flows) for number in (1, 2, 3, 4)]
    assert [event.item_id for event in bridge.of(base.AudioFinished)] == items
    said = [(event.role, event.text) for event in bridge.of(base.TranscriptFinished)]
    assert sorted(said) == [("agent", f"pattern {number}") for number in (1, 2, 3, 4)] + [("caller", "Well?")]
    assert [event.source for event in bridge.of(base.UsageCounted)].count("response") == 2
    assert [event.status for event in bridge.of(base.ResponseFinished)] == ["completed"] * 2
    assert bridge.server_errors == []
    assert bridge.protocol.counters() == {
        "late_deltas": 0,
        "malformed_messages": 0,
        "unknown_events": 2,
        "races": 0,
    }


@pytest.mark.parametrize("server_interrupts", [True, False])
@pytest.mark.parametrize("generated_s", [0.1, 0.36, 0.62, 3.0])
@pytest.mark.parametrize("heard_ms", [0, 140, 100_000])
def test_barge_in_at_any_moment_leaves_no_error_and_no_stale_audio(server_interrupts, generated_s, heard_ms):
    bridge = Bridge(turns={"interrupt_response": server_interrupts})
    bridge.protocol.greet()
    bridge.exchange()
    bridge.pass_time(generated_s)
    received = len(bridge.of(base.AudioReceived))
    first = bridge.of(base.AudioReceived)[0].item_id if received else None
    while not bridge.of(base.CallerSpeechStarted):
        bridge.say(20)
    played_ms = min(heard_ms, len(bridge.audio_of(first)) // 8) if first else 0
    bridge.protocol.interrupt(first, 0, played_ms)
    bridge.exchange()
    received = len(bridge.of(base.AudioReceived))
    bridge.say(200)
    assert len(bridge.of(base.AudioReceived)) == received
    bridge.say(0, silence_ms=300)
    bridge.pass_time(6)
    assert bridge.server_errors == []
    assert bridge.of(base.ProblemReported) == []
    assert len(bridge.of(base.AudioReceived)) > received, "the next reply is heard"


def test_digits_are_answered():
    bridge = Bridge()
    for digit in "123":
        bridge.protocol.send_digit(digit)
        bridge.exchange()
    bridge.pass_time(10)
    assert len(bridge.of(base.ResponseFinished)) == 2
    assert bridge.server_errors == []


def test_a_fatal_failure_of_a_response_is_a_loss():
    bridge = Bridge(script=(Turn(reply=[Fail(fail="insufficient_quota")]),))
    bridge.protocol.greet()
    bridge.exchange()
    bridge.pass_time(1)
    (lost,) = bridge.of(base.BackendLost)
    assert (lost.code, lost.fatal) == ("insufficient_quota", True)


def test_our_session_is_accepted_with_everything_in_it():
    bridge = Bridge(
        instructions="Be kind.",
        voice="cedar",
        noise_reduction="near_field",
        transcription={"model": "gpt-transcribe", "language": "en"},
        turns={"threshold": 0.8, "prefix_padding_ms": 100},
        max_output_tokens=1000,
    )
    assert isinstance(bridge.events[0], base.SessionReady)


def test_an_unknown_session_key_turns_the_call_away_and_names_it():
    backend = {"kind": "openai_realtime", "extra_session": {"temperature": 0.8}}
    (lost,) = Bridge(backend=backend).events
    assert isinstance(lost, base.BackendLost)
    assert (lost.code, lost.fatal) == ("unknown_parameter", True)
    assert "session.temperature" in lost.message
