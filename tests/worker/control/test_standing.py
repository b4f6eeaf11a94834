"""What is kept of a leg, so that another can be made like it."""

from __future__ import annotations

import pytest

from rtp.handover import Handover
from rtp.playout import BeingHeard
from rtp.session import RtpParams
from sipagent import events
from sipagent.worker.control.standing import Standing
from sipagent.worker.orders import (
    GiveBack,
    Instruct,
    JoinLegs,
    OpenLeg,
    PlayPrompt,
    Resumption,
    SendDigits,
    SetAside,
    StartMedia,
    StartRecording,
    StopPrompt,
    TapAudio,
    ToLeg,
    UseBackend,
)
from sipagent.worker.reports import LegSnapshot

CALL_ID = "c-1"
START = 100.0
LOST_AT = 103.0
ORDER = OpenLeg(
    call_id=CALL_ID, agent="a", codec="PCMU", recording="x.wav", jitter_min_ms=60, jitter_max_ms=200
)
MEDIA = StartMedia(call_id=CALL_ID, params=RtpParams(("192.0.2.10", 4000)))
HELD = StartMedia(call_id=CALL_ID, params=RtpParams(("192.0.2.10", 4000), direction="inactive"))
MUSIC = PlayPrompt(call_id=CALL_ID, prompt_id="hold", file="music.wav", repeat=True)
NOTICE = PlayPrompt(call_id=CALL_ID, prompt_id="notice", file="notice.wav")
ASIDE = SetAside(call_id=CALL_ID)
JOIN = JoinLegs(call_id=CALL_ID, other="c-1-2")
TAP, NO_TAP = TapAudio(call_id=CALL_ID, on=True), TapAudio(call_id=CALL_ID, on=False)
RECORD = StartRecording(call_id=CALL_ID)
NEXT = UseBackend(call_id=CALL_ID, agent="b")
CALM = Instruct(call_id=CALL_ID, instructions="Be calm.")


def standing(*told: ToLeg) -> Standing:
    leg = Standing(ORDER)
    for message in told:
        leg.note(message, START)
    return leg


def snapshot(at: float = LOST_AT - 0.5, heard: BeingHeard | None = None) -> LegSnapshot:
    session = Handover(at, "cname")
    return LegSnapshot(
        call_id=CALL_ID, at=at, session=session, audio={"dropped_ms": 20}, recorded_since=START, heard=heard
    )


def test_a_leg_that_was_getting_ready_is_ordered_again() -> None:
    leg = standing(CALM)
    assert leg.order_anew(LOST_AT) == ORDER
    assert leg.media_anew() == []
    assert leg.told_anew(LOST_AT) == [CALM]


def test_a_leg_with_audio_goes_on_from_its_last_snapshot() -> None:
    leg = standing(CALM, MEDIA, HELD)
    leg.hear(snapshot())
    resumption = leg.order_anew(LOST_AT).resumption
    assert resumption == Resumption(
        lost_at=LOST_AT,
        session=Handover(LOST_AT - 0.5, "cname"),
        audio={"dropped_ms": 20},
        recorded_since=START,
    )
    assert leg.media_anew() == [HELD]
    assert leg.told_anew(LOST_AT) == []


@pytest.mark.parametrize(
    ("told", "holds"),
    [
        ([ASIDE, MUSIC], [ASIDE, MUSIC]),
        ([ASIDE, MUSIC, StopPrompt(call_id=CALL_ID, prompt_id="hold"), GiveBack(call_id=CALL_ID)], []),
        ([ASIDE, JOIN], [JOIN]),
        ([JOIN, GiveBack(call_id=CALL_ID)], []),
        ([TAP, NO_TAP], [NO_TAP]),
        ([RECORD, NEXT], [RECORD, NEXT]),
    ],
)
def test_what_still_holds_is_told_again(told: list[ToLeg], holds: list[ToLeg]) -> None:
    assert standing(MEDIA, *told).told_anew(LOST_AT) == holds


def test_what_is_over_is_not_told_again() -> None:
    leg = standing(MEDIA, NOTICE, NEXT)
    leg.hear(events.PromptEnded(call_id=CALL_ID, at=START, prompt_id="notice", completed=True))
    leg.hear(events.BackendReplaced(call_id=CALL_ID, at=START, agent="b", ready_ms=1.0))
    assert leg.told_anew(LOST_AT) == []


@pytest.mark.parametrize(("at", "left"), [(102.95, "23"), (102.75, "3"), (102.5, ""), (103.0, "23")])
def test_digits_whose_turn_had_not_come_are_sent(at: float, left: str) -> None:
    leg = standing(MEDIA)
    leg.note(SendDigits(call_id=CALL_ID, digits="123"), at)
    digits = [message.digits for message in leg.told_anew(LOST_AT) if isinstance(message, SendDigits)]
    assert digits == ([left] if left else [])


@pytest.mark.parametrize(("age_s", "echoes"), [(0.05, True), (1.0, False)])
def test_a_key_that_has_just_been_told_of(age_s: float, echoes: bool) -> None:
    leg = standing(MEDIA)
    leg.hear(events.DigitReceived(call_id=CALL_ID, at=LOST_AT - age_s, digit="5", duration_ms=100))
    resumption = leg.order_anew(LOST_AT).resumption
    assert resumption is not None
    assert resumption.pressed == (("5", 100) if echoes else None)


@pytest.mark.parametrize(
    ("heard", "played_ms", "flushed_ms"),
    [
        (None, 1000, 0),
        (BeingHeard("i1", 400, 900, False), 900, 400),
        (BeingHeard("i1", 400, 300, False), 900, 0),
        (BeingHeard("i1", 400, 300, True), 700, 0),
        (BeingHeard("i0", 400, 300, True), 1000, 0),
    ],
    ids=["unseen", "going on", "more has come", "at its end", "another"],
)
def test_the_agent_was_heard_until_the_loss(
    heard: BeingHeard | None, played_ms: int, flushed_ms: int
) -> None:
    leg = standing(MEDIA)
    leg.hear(events.AgentSpeechStarted(call_id=CALL_ID, at=LOST_AT - 1.0, item_id="i1"))
    leg.hear(snapshot(heard=heard))
    ended, silent = leg.last_words(LOST_AT)
    assert isinstance(ended, events.AgentSpeechEnded)
    assert (ended.item_id, ended.at, ended.interrupted) == ("i1", LOST_AT, True)
    assert (ended.played_ms, ended.flushed_ms) == (played_ms, flushed_ms)
    assert isinstance(silent, events.AgentFellSilent)
    assert list(leg.last_words(LOST_AT)) == []


def test_the_caller_was_heard_until_the_loss() -> None:
    leg = standing(MEDIA)
    leg.hear(events.SpeechStarted(call_id=CALL_ID, at=START, item_id="u1"))
    (stopped,) = leg.last_words(LOST_AT)
    assert isinstance(stopped, events.SpeechStopped)
    assert stopped.item_id == "u1"


def test_who_was_silent_has_no_last_words() -> None:
    leg = standing(MEDIA)
    leg.hear(events.AgentSpeechStarted(call_id=CALL_ID, at=START, item_id="i1"))
    leg.hear(
        events.AgentSpeechEnded(
            call_id=CALL_ID, at=START, item_id="i1", played_ms=9, flushed_ms=0, interrupted=False
        )
    )
    leg.hear(events.AgentFellSilent(call_id=CALL_ID, at=START))
    assert list(leg.last_words(LOST_AT)) == []
