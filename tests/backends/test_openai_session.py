"""The session that is asked for, in the words of the OpenAI Realtime protocol."""

from __future__ import annotations

import pytest

from sipagent.backends.base import BackendLost, SessionReady
from sipagent.formats import ALAW, ULAW, AudioFormat
from tests.backends.openai_messages import kinds

PCM24 = AudioFormat("pcm", 24000)


def test_asks_for_its_session_once_the_server_has_spoken(new_talk):
    talk = new_talk(ready=False, instructions="Be kind.", voice="cedar")
    assert talk.sent() == []
    talk.hear({"type": "session.created", "session": {"id": "sess_1"}})
    (update,) = talk.sent()
    assert update["type"] == "session.update"
    assert update["session"]["instructions"] == "Be kind."
    assert update["session"]["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "cedar"}


def test_configures_once_even_if_the_hello_comes_late(new_talk):
    talk = new_talk(ready=False)
    talk.protocol.configure()
    talk.hear({"type": "session.created", "session": {}})
    assert kinds(talk.sent()) == ["session.update"]


def test_is_ready_when_the_session_is_updated_and_only_once(new_talk):
    talk = new_talk(ready=False)
    updated = {"type": "session.updated", "session": {"id": "sess_1", "expires_at": 1790000000}}
    assert talk.hear(updated) == [SessionReady(session_id="sess_1", expires_at=1790000000.0)]
    assert talk.hear(updated) == []


@pytest.mark.parametrize(
    ("audio", "law", "wire", "flows"),
    [
        ("auto", ULAW, {"type": "audio/pcmu"}, ULAW),
        ("auto", ALAW, {"type": "audio/pcma"}, ALAW),
        ("pcmu", ALAW, {"type": "audio/pcmu"}, ULAW),
        ("pcm24", ULAW, {"type": "audio/pcm", "rate": 24000}, PCM24),
    ],
)
def test_audio_format(new_talk, audio, law, wire, flows):
    talk = new_talk(ready=False, law=law, backend={"audio": audio})
    talk.protocol.configure()
    session = talk.sent()[0]["session"]
    assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == wire
    assert talk.protocol.input_format == talk.protocol.output_format == flows


def test_a_server_that_ignores_our_format_is_refused(new_talk):
    talk = new_talk(ready=False)
    pcm = {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}
    (lost,) = talk.hear({"type": "session.updated", "session": {"audio": pcm}})
    assert isinstance(lost, BackendLost)
    assert (lost.code, lost.fatal) == ("audio_format_refused", True)


@pytest.mark.parametrize(
    ("agent", "path", "value"),
    [
        ({"transcription": None}, ("input", "transcription"), None),
        (
            {"transcription": {"model": "whisper-1", "language": "de"}},
            ("input", "transcription"),
            {"model": "whisper-1", "language": "de"},
        ),
        ({"noise_reduction": "far_field"}, ("input", "noise_reduction"), {"type": "far_field"}),
        (
            {"turn_detection": {"kind": "semantic_vad", "eagerness": "low", "interrupt_response": False}},
            ("input", "turn_detection"),
            {
                "type": "semantic_vad",
                "eagerness": "low",
                "create_response": True,
                "interrupt_response": False,
            },
        ),
        (
            {"turn_detection": {"kind": "server_vad", "threshold": 0.7}},
            ("input", "turn_detection"),
            {
                "type": "server_vad",
                "threshold": 0.7,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "create_response": True,
                "interrupt_response": True,
            },
        ),
        (
            {"backend": {"extra_session": {"audio": {"output": {"speed": 1.2}}}}},
            ("output", "speed"),
            1.2,
        ),
    ],
)
def test_session_follows_the_configuration(new_talk, agent, path, value):
    talk = new_talk(ready=False, **agent)
    talk.protocol.configure()
    found = talk.sent()[0]["session"]["audio"]
    for key in path:
        found = found[key]
    assert found == value
