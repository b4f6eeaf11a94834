"""From the events of calls to what Prometheus reads."""

from __future__ import annotations

import pytest

from rtp.stats import InboundReport, OutboundReport, RtpReport
from sipagent import events
from tests.metrics.house import CALL, House, received


def test_calls_are_counted_from_invite_to_end(house: House) -> None:
    admitted = events.CallAdmitted(**CALL, agent="a", route="r")
    house.observe(received(), admitted, received(), admitted)
    assert house.value("sipagent_calls_received_total", trunk="pbx", direction="inbound") == 2
    assert house.value("sipagent_calls_active", trunk="pbx") == 2
    house.metrics.call_left("pbx", "caller_hung_up")
    assert house.value("sipagent_calls_active", trunk="pbx") == 1
    assert house.value("sipagent_calls_ended_total", trunk="pbx", reason="caller_hung_up") == 1


@pytest.mark.parametrize(
    ("event", "name", "labels", "count"),
    [
        (
            events.CallRefused(**CALL, sip_status=503, reason_code="trunk_call_limit", detail=""),
            "sipagent_calls_refused_total",
            {"trunk": "pbx", "reason": "trunk_call_limit"},
            1,
        ),
        (
            events.CallRouted(**CALL, outcome="redirected", route="pbx/overflow", trail=[]),
            "sipagent_calls_routed_total",
            {"route": "pbx/overflow", "outcome": "redirected"},
            1,
        ),
        (
            events.DigitReceived(**CALL, digit="5", duration_ms=100, method="info"),
            "sipagent_dtmf_digits_total",
            {"method": "info"},
            1,
        ),
        (
            events.BackendProblem(**CALL, code="rate_limited", message="m"),
            "sipagent_backend_problems_total",
            {"code": "rate_limited"},
            1,
        ),
        (
            events.AgentSpeechEnded(
                **CALL,
                item_id="i",
                played_ms=1,
                flushed_ms=0,
                interrupted=False,
                starvations={"loop_late": 3},
            ),
            "sipagent_agent_starved_frames_total",
            {"cause": "loop_late"},
            3,
        ),
        (
            events.AnswererDetected(
                **CALL,
                kind="machine",
                reason="beep",
                after_ms=1,
                greeting_ms=1,
                initial_silence_ms=1,
                words=1,
            ),
            "sipagent_answerers_total",
            {"trunk": "pbx", "kind": "machine"},
            1,
        ),
        (events.CallHeld(**CALL, direction="recvonly"), "sipagent_calls_held_total", {"trunk": "pbx"}, 1),
        (
            events.RecordingTruncated(**CALL, detail="No space left on device"),
            "sipagent_recordings_truncated_total",
            {},
            1,
        ),
        (
            events.LegEnded(**CALL, reason="x", audio={"playout_dropped_ms": 2000}),
            "sipagent_audio_dropped_seconds_total",
            {"queue": "playout"},
            2,
        ),
        (
            events.AgentSpeechEnded(**CALL, item_id="i", played_ms=1, flushed_ms=9, interrupted=True),
            "sipagent_agent_interruptions_total",
            {},
            1,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_is_counted_under_its_labels(
    house: House, event: events.Event, name: str, labels: dict[str, str], count: int
) -> None:
    house.observe(event)
    assert house.value(name, **labels) == count


def test_setup_time_runs_from_the_invite_to_the_answer(house: House) -> None:
    house.observe(events.CallAnswered(**CALL, codec="PCMU"))
    assert house.value("sipagent_call_setup_seconds_sum", trunk="pbx") == pytest.approx(0.25)
    assert house.value("sipagent_call_setup_seconds_bucket", trunk="pbx", le="0.2") == 0
    assert house.value("sipagent_call_setup_seconds_bucket", trunk="pbx", le="0.3") == 1


def spoke(*times: tuple[type[events.CallEvent], float]) -> list[events.Event]:
    """What the two sides of a call did, and when."""
    return [kind(call_id="c-1", at=at, item_id="i") for kind, at in times]  # type: ignore[misc, call-arg]


def test_a_turn_lasts_from_the_callers_last_word_to_the_agents_first(house: House) -> None:
    stopped, started = events.SpeechStopped, events.AgentSpeechStarted
    house.observe(*spoke((stopped, 5.0), (started, 5.7), (started, 9.0)))
    assert house.value("sipagent_turn_latency_seconds_count", trunk="pbx") == 1
    assert house.value("sipagent_turn_latency_seconds_sum", trunk="pbx") == pytest.approx(0.7)


def test_who_speaks_on_has_not_been_kept_waiting(house: House) -> None:
    stopped, again = events.SpeechStopped, events.SpeechStarted
    house.observe(*spoke((stopped, 5.0), (again, 5.2), (stopped, 6.0), (events.AgentSpeechStarted, 6.5)))
    assert house.value("sipagent_turn_latency_seconds_sum", trunk="pbx") == pytest.approx(0.5)


def test_the_backends_part_of_the_set_up(house: House) -> None:
    house.observe(events.LegReady(**CALL, ready_ms=240.0, agent="desk"))
    assert house.value("sipagent_backend_ready_seconds_sum", agent="desk") == pytest.approx(0.24)


def test_calls_are_judged_by_jitter_buffer_and_opinion_score(house: House) -> None:
    inbound = InboundReport(packets=500, buffer_depth_ms=80.0, mos=4.1)
    for outbound in (OutboundReport(packets=490, mos=3.9), OutboundReport(packets=490)):
        house.observe(events.LegEnded(**CALL, reason="x", rtp=RtpReport(inbound, outbound).as_dict()))
    assert house.value("sipagent_jitter_buffer_depth_seconds_sum") == pytest.approx(0.16)
    assert house.value("sipagent_call_mos_count", direction="inbound") == 2
    assert house.value("sipagent_call_mos_count", direction="outbound") == 1


def test_a_call_without_audio_is_not_judged(house: House) -> None:
    report = RtpReport(InboundReport(), OutboundReport())
    house.observe(events.LegEnded(**CALL, reason="x", rtp=report.as_dict()))
    assert house.value("sipagent_jitter_buffer_depth_seconds_count") == 0


def test_rtp_packets_are_counted_by_what_became_of_them(house: House) -> None:
    report = RtpReport(InboundReport(packets=500, lost=7, late=2), OutboundReport(packets=490, lost=None))
    house.observe(events.LegEnded(**CALL, reason="caller_hung_up", rtp=report.as_dict()))
    kinds = ("inbound_packets", "inbound_lost", "inbound_late", "outbound_packets", "outbound_lost")
    counted = [house.value("sipagent_rtp_packets_total", kind=kind) for kind in kinds]
    assert counted == [500, 7, 2, 490, None]


def charged(currency: str | None) -> events.CallCharged:
    return events.CallCharged(
        **CALL,
        agent="desk",
        trunk="pbx",
        direction="inbound",
        answered_s=61.5,
        tokens={"gpt": {"audio_output": 40}},
        model_cost=0.25,
        trunk_cost=0.5,
        models={"gpt": 0.25},
        trunks={"pbx": 0.375, "mobile": 0.125},
        currency=currency,
    )


def test_what_calls_cost_is_counted_by_agent_and_trunk(house: House) -> None:
    house.observe(charged("EUR"), charged("EUR"))
    whose = {"agent": "desk", "trunk": "pbx"}
    assert house.value("sipagent_cost_total", **whose, currency="EUR") == 1.25
    assert house.value("sipagent_cost_total", agent="desk", trunk="mobile", currency="EUR") == 0.25
    assert house.value("sipagent_tokens_total", **whose, model="gpt", kind="audio_output") == 80
    assert house.value("sipagent_answered_seconds_total", **whose, direction="inbound") == 123


def test_without_prices_there_is_usage_and_no_cost(house: House) -> None:
    house.observe(charged(None))
    exposed = house.metrics.exposition().decode()
    assert "sipagent_cost_total{" not in exposed
    assert "sipagent_tokens_total{" in exposed


def test_a_peer_that_claims_a_negative_loss_breaks_nothing(house: House) -> None:
    report = RtpReport(InboundReport(), OutboundReport(packets=1, lost=-3))
    house.observe(events.LegEnded(**CALL, reason="x", rtp=report.as_dict()))
    assert house.value("sipagent_rtp_packets_total", kind="outbound_packets") == 1


def test_tools_are_timed_by_outcome_and_inventions_have_no_name(house: House) -> None:
    def answered(name: str, outcome: events.ToolOutcome) -> events.ToolAnswered:
        return events.ToolAnswered(**CALL, tool_call_id="t", name=name, outcome=outcome, duration_ms=250.0)

    house.observe(answered("book", "ok"), answered("book", "ok"), answered("fly-to-the-moon", "unknown"))
    assert house.value("sipagent_tool_call_seconds_sum", tool="book", outcome="ok") == 0.5
    assert house.value("sipagent_tool_call_seconds_count", tool="", outcome="unknown") == 1


def test_tools_that_are_down_and_calls_in_safe_mode(house: House) -> None:
    house.metrics.tool_down("bot", "book", True)
    house.observe(events.SafeModeEntered(**CALL, tools=["book"]))
    assert house.value("sipagent_tool_down", agent="bot", tool="book") == 1
    assert house.value("sipagent_safe_modes_total", trunk="pbx") == 1
    house.metrics.tool_down("bot", "book", False)
    assert house.value("sipagent_tool_down", agent="bot", tool="book") == 0
