"""A session whose turns are ours to end, and one that is lost with words on its lips."""

from __future__ import annotations

from sipagent.backends.base import BackendLost, TranscriptFinished
from sipagent.conversation import Noted, Said


def test_a_session_whose_turns_are_ours_neither_interrupts_nor_answers_by_itself(new_talk):
    talk = new_talk(ready=False, barge_in={"min_speech_ms": 300})
    talk.protocol.configure()
    turns = talk.sent()[0]["session"]["audio"]["input"]["turn_detection"]
    assert (turns["create_response"], turns["interrupt_response"]) == (False, False)


def test_what_was_speech_is_answered_and_what_was_none_forgotten(new_talk):
    talk = new_talk(barge_in={"min_speech_ms": 300})
    talk.protocol.end_turn("item_1", was_speech=True)
    talk.protocol.end_turn("item_2", was_speech=False)
    answer, forget = talk.sent()
    assert answer["type"] == "response.create"
    assert (forget["type"], forget["item_id"]) == ("conversation.item.delete", "item_2")


def test_a_server_that_answers_by_itself_is_left_to_it(talk):
    talk.protocol.end_turn("item_1", was_speech=True)
    assert talk.sent() == []


def test_more_of_the_past_may_be_told_later(talk):
    talk.protocol.recall([Said(role="agent", text="Good —"), Noted(text="The caller pressed 5.")])
    roles = [message["item"]["role"] for message in talk.sent()]
    assert roles == ["assistant", "system"]


def test_a_tool_that_another_session_called_is_not_answered_here(talk):
    talk.protocol.answer_tool("call_of_old", "42")
    assert talk.sent() == []
    assert not talk.protocol.is_busy


def test_a_lost_session_leaves_the_words_that_had_come(talk):
    talk.hear({"type": "response.created", "response": {"id": "r1"}})
    for word in ("Our house ", "was built"):
        kind = "response.output_audio_transcript.delta"
        talk.hear({"type": kind, "response_id": "r1", "item_id": "i1", "delta": word})
    assert talk.protocol.is_busy
    talk.protocol.lose("1006", "gone")
    assert talk.events() == [
        TranscriptFinished(role="agent", item_id="i1", text="Our house was built", is_partial=True),
        BackendLost(code="1006", message="gone", fatal=False),
    ]
    talk.protocol.lose("1006", "gone")
    assert talk.events() == []
