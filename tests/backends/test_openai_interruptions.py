"""Barge-in by the OpenAI Realtime protocol, without a socket."""

from __future__ import annotations

from typing import Any

from sipagent.backends.base import AudioReceived, ResponseFinished, TranscriptFinished
from tests.backends.openai_messages import kinds


def truncations(messages: list[dict[str, Any]]) -> list[tuple[str, int]]:
    kind = "conversation.item.truncate"
    return [(each["item_id"], each["audio_end_ms"]) for each in messages if each["type"] == kind]


def test_the_response_was_done_while_its_item_plays(talk, says):
    talk.hear(says.created(), says.audio(3000), says.audio_done(), says.done(), says.speech_started())
    talk.protocol.interrupt("i1", 0, 1250)
    sent = talk.sent()
    assert kinds(sent) == ["conversation.item.truncate"]
    assert truncations(sent) == [("i1", 1250)]


def test_the_response_is_still_generated(talk, says):
    talk.hear(says.created(), says.text("One two"), says.audio(1000), says.speech_started())
    talk.protocol.interrupt("i1", 0, 400)
    sent = talk.sent()
    assert truncations(sent) == [("i1", 400)]
    assert "response.cancel" not in kinds(sent), "the server interrupts by itself"
    heard = talk.hear(
        says.audio(500),
        says.text(" three"),
        says.audio_done(),
        says.text_done("One two three"),
        says.done(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}),
    )
    assert heard == [
        TranscriptFinished(role="agent", item_id="i1", text="One two three"),
        ResponseFinished(response_id="r1", status="cancelled", detail="turn_detected"),
    ]
    assert talk.protocol.counters()["late_deltas"] == 2


def test_a_server_that_does_not_interrupt_is_told_to(new_talk, says):
    talk = new_talk(turn_detection={"kind": "server_vad", "interrupt_response": False})
    talk.hear(says.created(), says.audio(1000), says.speech_started())
    talk.protocol.interrupt("i1", 0, 400)
    sent = talk.sent()
    assert kinds(sent) == ["response.cancel", "conversation.item.truncate"]
    assert sent[0]["response_id"] == "r1"


def test_an_interruption_without_speech_cancels_by_itself(talk, says):
    talk.hear(says.created(), says.audio(1000))
    talk.protocol.interrupt("i1", 0, 400)
    assert kinds(talk.sent()) == ["response.cancel", "conversation.item.truncate"]


def test_items_that_wait_behind_the_one_being_heard(talk, says):
    talk.hear(
        says.created(),
        says.audio(1000, "i1"),
        says.audio_done("i1"),
        says.audio(2000, "i2"),
        says.audio_done("i2"),
        says.audio(500, "i3"),
        says.speech_started(),
    )
    talk.protocol.interrupt("i2", 0, 300)
    assert truncations(talk.sent()) == [("i2", 300), ("i3", 0)]
    assert talk.hear(says.audio(500, "i3"), says.audio(100, "i4")) == []


def test_nothing_was_playing(talk, says):
    talk.hear(says.created(), says.audio(500), says.audio_done(), says.done(), says.speech_started())
    talk.protocol.interrupt(None, 0, 0)
    assert talk.sent() == []


def test_a_response_without_audio_yet_is_dropped_when_it_comes(talk, says):
    talk.hear(says.created(), says.speech_started())
    talk.protocol.interrupt(None, 0, 0)
    assert talk.hear(says.audio(100)) == []
    assert talk.sent() == []


def test_an_item_heard_to_its_end_is_not_truncated(talk, says):
    talk.hear(says.created(), says.audio(500), says.audio_done(), says.done(), says.speech_started())
    talk.protocol.interrupt("i1", 0, 500)
    assert talk.sent() == []


def test_truncation_stays_within_what_was_received(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 620)
    assert truncations(talk.sent()) == [("i1", 500)]


def test_queued_but_unheard(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 0)
    assert truncations(talk.sent()) == [("i1", 0)]


def test_the_next_response_is_heard_after_an_interruption(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 100)
    talk.hear(says.done(status="cancelled"), says.speech_stopped(), says.created("r2"))
    heard = talk.hear(says.audio(100, "i2", "r2"))
    assert heard == [AudioReceived(item_id="i2", content_index=0, audio=b"\x55" * 800)]


def test_interrupting_twice_truncates_once(talk, says):
    talk.hear(says.created(), says.audio(500), says.speech_started())
    talk.protocol.interrupt("i1", 0, 100)
    talk.sent()
    talk.protocol.interrupt("i1", 0, 100)
    assert truncations(talk.sent()) == []
