"""Whatever a server sends, the protocol neither raises nor says anything after the session is lost."""

from __future__ import annotations

import json
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
names = st.sampled_from(["", "i1", "r1", "QUJD", "QQ", "é", "invalid_api_key", "session_expired"])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
events = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=5),
)
doings = st.lists(events.map(json.dumps) | st.binary(max_size=20) | st.just("interrupt"), max_size=30)


def protocol() -> OpenAIRealtime:
    backend = {"kind": "openai_realtime"}
    agent = AgentConfig.model_validate({"name": "test", "backend": backend, "greeting": "Hello."})
    assert isinstance(agent.backend, OpenAIRealtimeConfig)
    return OpenAIRealtime(agent, agent.backend, ULAW)


@settings(max_examples=100, deadline=None)
@given(doings)
def test_no_message_is_too_strange(messages: list[Any]) -> None:
    talk = protocol()
    talk.greet()
    heard = []
    for message in messages:
        if message == "interrupt":
            talk.interrupt("i1", 0, 20)
        else:
            talk.receive_message(message)
        while (event := talk.next_event()) is not None:
            heard.append(event)
        for sent in talk.messages_to_send():
            json.loads(sent)
    assert not any(isinstance(event, BackendLost) for event in heard[:-1])
