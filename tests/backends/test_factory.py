"""From an agent's configuration to a backend: which one, where it connects, and with which key."""

from __future__ import annotations

import pytest

from sipagent.backends.base import AudioReceived, SessionReady
from sipagent.backends.echo import EchoBackend
from sipagent.backends.factory import create_backend
from sipagent.backends.openai_session import endpoint
from sipagent.backends.websocket import WebSocketBackend
from sipagent.config import AgentConfig, OpenAIRealtimeConfig
from sipagent.errors import ConfigError
from sipagent.formats import ALAW, ULAW

KEY = {"env": "TEST_REALTIME_KEY"}


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("TEST_REALTIME_KEY", "sk-secret")


def agent(**backend):
    return AgentConfig.model_validate({"name": "test", "backend": backend})


def test_the_kind_decides():
    assert isinstance(create_backend(agent(kind="echo"), ULAW), EchoBackend)
    assert isinstance(create_backend(agent(kind="openai_realtime"), ULAW), WebSocketBackend)


def test_a_missing_key_is_a_configuration_error():
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        create_backend(agent(kind="openai_realtime", api_key={"env": "NO_SUCH_KEY"}), ULAW)


@pytest.mark.parametrize(
    ("config", "headers"),
    [
        ({}, {}),
        ({"api_key": KEY}, {"Authorization": "Bearer sk-secret"}),
        ({"api_key": KEY, "api_key_header": "api-key"}, {"api-key": "sk-secret"}),
        (
            {"headers": {"OpenAI-Safety-Identifier": "u1", "X-Token": KEY}},
            {"OpenAI-Safety-Identifier": "u1", "X-Token": "sk-secret"},
        ),
    ],
)
def test_headers(config, headers):
    assert endpoint(OpenAIRealtimeConfig.model_validate(config)).headers == headers


@pytest.mark.parametrize(
    ("url", "model", "connects_to"),
    [
        ("wss://api.example/v1/realtime", "m 1", "wss://api.example/v1/realtime?model=m+1"),
        ("wss://api.example/v1/realtime?a=b", "m", "wss://api.example/v1/realtime?a=b&model=m"),
        ("wss://api.example/v1/realtime?model=x", "m", "wss://api.example/v1/realtime?model=x"),
        ("ws://127.0.0.1:9/", "", "ws://127.0.0.1:9/"),
    ],
)
def test_url(url, model, connects_to):
    assert endpoint(OpenAIRealtimeConfig(url=url, model=model)).url == connects_to


def test_an_endpoint_does_not_print_its_key():
    assert "sk-secret" not in repr(endpoint(OpenAIRealtimeConfig.model_validate({"api_key": KEY})))


async def test_echo_says_back_what_it_hears():
    backend = EchoBackend(ALAW)
    events = []
    await backend.open(events.append)
    backend.greet()
    backend.send_digit("1")
    backend.send_audio(b"abc")
    backend.interrupt("echo_1", 0, 20)
    backend.send_audio(b"def")
    await backend.close()
    backend.send_audio(b"ghi")
    assert events == [
        SessionReady(),
        AudioReceived(item_id="echo_1", content_index=0, audio=b"abc"),
        AudioReceived(item_id="echo_1", content_index=0, audio=b"def"),
    ]
    assert backend.input_format == backend.output_format == ALAW
