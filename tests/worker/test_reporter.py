"""What a leg's three sources say, in the words of call events."""

from __future__ import annotations

import pytest

from rtp.events import (
    FirstPacketReceived,
    ItemPlayed,
    ItemStarted,
    MarkReached,
    SourceLatched,
    StarvationCause,
)
from sipagent import events
from sipagent.backends import base
from sipagent.media.recorder import RecordingOutcome
from sipagent.worker.reporter import Reporter

NOW = 12.5
CALL = {"call_id": "c-1", "at": NOW}


class Told:
    def __init__(self) -> None:
        self.events: list[events.LegEvent] = []
        self.reporter = Reporter("c-1", self.events.append)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.mark.parametrize(
    ("said", "told_as"),
    [
        (
            base.CallerSpeechStarted(item_id="i", audio_ms=5),
            events.SpeechStarted(**CALL, item_id="i", audio_ms=5),
        ),
        (base.CallerSpeechStopped(item_id="i"), events.SpeechStopped(**CALL, item_id="i")),
        (
            base.TranscriptFinished(role="caller", item_id="i", text="Hi"),
            events.Transcript(**CALL, role="caller", item_id="i", text="Hi"),
        ),
        (
            base.UsageCounted(source="transcription", usage={"seconds": 1}),
            events.UsageReported(**CALL, source="transcription", usage={"seconds": 1}),
        ),
        (
            base.ProblemReported(code="c", message="m"),
            events.BackendProblem(**CALL, code="c", message="m"),
        ),
        (base.SessionReady(), None),
        (base.AudioReceived(item_id="i", content_index=0, audio=b"a"), None),
        (base.AudioFinished(item_id="i", content_index=0), None),
        (base.ResponseStarted(response_id="r"), None),
        (base.ResponseFinished(response_id="r", status="completed"), None),
        (
            base.BackendLost(code="1006", message="m", fatal=False),
            events.BackendDown(**CALL, agent="", code="1006", message="m", fatal=False),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_backend_says(told: Told, said: base.BackendEvent, told_as: events.LegEvent | None) -> None:
    told.reporter.backend(said, NOW)
    assert told.events == ([told_as] if told_as else [])


def test_a_lost_backend_is_told_with_the_agent_it_spoke_for(told: Told) -> None:
    lost = base.BackendLost(code="1006", message="m", fatal=False)
    told.reporter.ready("bot", 5.0, None, NOW)
    told.reporter.backend(lost, NOW)
    told.reporter.replaced("spare", 5.0, None, NOW)
    told.reporter.backend(lost, NOW)
    down = [event for event in told.events if isinstance(event, events.BackendDown)]
    assert [event.agent for event in down] == ["bot", "spare"]


def test_what_the_rtp_session_says(told: Told) -> None:
    told.reporter.rtp(SourceLatched(("192.0.2.1", 4000)), NOW)
    told.reporter.rtp(FirstPacketReceived(("192.0.2.1", 4000)), NOW)
    told.reporter.digit("5", 120, "rfc4733", NOW)
    assert told.events == [
        events.MediaStarted(**CALL, source="192.0.2.1:4000"),
        events.DigitReceived(**CALL, digit="5", duration_ms=120),
    ]


def test_what_playout_says(told: Told) -> None:
    told.reporter.playout(ItemStarted("i", 0, NOW), NOW)
    told.reporter.playout(ItemPlayed("i", 0, 100, 50, True, {StarvationCause.LOOP_LATE: 2}), NOW)
    told.reporter.playout(MarkReached("m"), NOW)
    assert told.events == [
        events.AgentSpeechStarted(**CALL, item_id="i"),
        events.AgentSpeechEnded(
            **CALL,
            item_id="i",
            played_ms=100,
            flushed_ms=50,
            interrupted=True,
            starvations={"loop_late": 2},
        ),
    ]


def test_milestones_of_the_leg_itself(told: Told) -> None:
    told.reporter.ready("a", 150.04, None, NOW)
    told.reporter.path_built("rtp -> backend", NOW)
    told.reporter.failed(503, "backend_refused", "why", NOW)
    assert told.events == [
        events.LegReady(**CALL, ready_ms=150.0, agent="a"),
        events.PathBuilt(**CALL, path="rtp -> backend"),
        events.LegFailed(**CALL, sip_status=503, reason_code="backend_refused", detail="why"),
    ]


@pytest.mark.parametrize(
    ("outcome", "recording", "is_truncated"),
    [(None, None, False), (RecordingOutcome("a.wav", True), "a.wav", True)],
)
def test_the_end_says_what_became_of_the_recording(
    told: Told, outcome: RecordingOutcome | None, recording: str | None, is_truncated: bool
) -> None:
    told.reporter.ended("caller_hung_up", "", {"rtt_ms": 1}, {"dropped_ms": 2}, outcome, NOW)
    assert told.events == [
        events.LegEnded(
            **CALL,
            reason="caller_hung_up",
            rtp={"rtt_ms": 1},
            audio={"dropped_ms": 2},
            recording=recording,
            recording_truncated=is_truncated,
        )
    ]
