"""Whatever a server sends, the protocol neither raises nor says anything after the session is lost."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.backends.base import BackendLost
from sipagent.backends.openai_realtime import OpenAIRealtime
from sipagent.config import AgentConfig, OpenAIRealtimeConfig
from sipagent.formats import ULAW

KINDS = [
    "session.created",
    "session.updated",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "response.created",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_item.done",
    "response.done",
    "error",
    "of.another.world",
]
FIELDS = [
    *("response_id", "item_id", "content_index", "delta", "transcript", "audio_start_ms", "audio_end_ms"),
    *("item", "response", "session", "usage", "error"),
    *("id", "content", "status", "status_details", "reason", "code", "type", "message", "event_id"),
    *("audio", "input", "output", "format", "expires_at"),
]
NAMES = ["", "i1", "r1", "QUJD", "QQ", "é", "invalid_api_key", "session_expired"]
LEAVES = [None, True, False, 0, 1, -1, 7, 2**63, -(2**80), 0.5, -1e300, float("inf"), *NAMES]


def value(chance: Random, depth: int = 3) -> Any:
    """As rich as JSON, of words that mean something to the protocol in the right place."""
    kind = chance.randrange(4 if depth else 2)
    if kind == 2:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 3:
        return {chance.choice(FIELDS): value(chance, depth - 1) for _ in range(chance.randrange(5))}
    return chance.choice(LEAVES)


def doing(chance: Random) -> str | bytes:
    match chance.randrange(10):
        case 0:
            return "interrupt"
        case 1:
            return chance.randbytes(chance.randrange(21))
    fields = {chance.choice(FIELDS): value(chance) for _ in range(chance.randrange(6))}
    return json.dumps({**fields, "type": chance.choice(KINDS)})


def protocol() -> OpenAIRealtime:
    backend = {"kind": "openai_realtime"}
    agent = AgentConfig.model_validate({"name": "test", "backend": backend, "greeting": "Hello."})
    assert isinstance(agent.backend, OpenAIRealtimeConfig)
    return OpenAIRealtime(agent, agent.backend, ULAW)


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=True), st.integers(0, 30))
def test_no_message_is_too_strange(chance: Random, length: int) -> None:
    """Hypothesis picks the seeds only: to have it draw every value takes twenty times as long."""
    talk = protocol()
    talk.greet()
    heard = []
    for message in (doing(chance) for _ in range(length)):
        if message == "interrupt":
            talk.interrupt("i1", 0, 20)
        else:
            talk.receive_message(message)
        while (event := talk.next_event()) is not None:
            heard.append(event)
        for sent in talk.messages_to_send():
            json.loads(sent)
    assert not any(isinstance(event, BackendLost) for event in heard[:-1])
