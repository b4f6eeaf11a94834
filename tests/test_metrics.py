"""From events and reports to what Prometheus reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rtp.stats import InboundReport, OutboundReport, RtpReport
from sipagent import events
from sipagent.metrics import Metrics, ServerFigures, TargetFigures, WorkerFigures

CALL = {"call_id": "c-1", "at": 12.0}
BEGAN = 11.75
DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"


def worker(late_buckets: list[int], late_sum_s: float = 0.0) -> WorkerFigures:
    return WorkerFigures(
        legs=3,
        tasks=17,
        cpu_s=1.5,
        rss_bytes=40_000_000,
        ticks=sum(late_buckets),
        ticks_skipped=2,
        late_bounds_s=(0.001, 0.01),
        late_buckets=late_buckets,
        late_sum_s=late_sum_s,
    )


@dataclass
class House:
    """The metrics of a server with two workers."""

    workers: dict[int, WorkerFigures] = field(
        default_factory=lambda: {0: worker([5, 3, 1], 0.25), 1: worker([7, 0, 0])}
    )
    server: ServerFigures = field(
        default_factory=lambda: ServerFigures(
            worker_restarts=1,
            tasks=40,
            rtp_port_pairs_in_use=4,
            source_filter_dropped=9,
            targets=(
                TargetFigures("pbx", "udp:192.0.2.1:5060", True, 12.0),
                TargetFigures("pbx", "udp:192.0.2.2:5060", False, None),
            ),
            headroom={"calls": 0.75},
        )
    )

    def __post_init__(self) -> None:
        self.metrics = Metrics(lambda: self.workers, lambda: self.server)

    def observe(self, *happened: events.Event) -> None:
        for event in happened:
            self.metrics.observe(event, "pbx", BEGAN)

    def value(self, name: str, **labels: str) -> float | None:
        """What a scrape reads, by the parser of Prometheus's own client."""
        for family in text_string_to_metric_families(self.metrics.exposition().decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None


@pytest.fixture
def house() -> House:
    return House()


def received() -> events.CallReceived:
    return events.CallReceived(
        **CALL, direction="inbound", source="s", trunk="pbx", from_number="1", to_number="2", sip_call_id="x"
    )


def test_calls_are_counted_from_invite_to_end(house: House) -> None:
    admitted = events.CallAdmitted(**CALL, agent="a", route="r")
    house.observe(received(), admitted, received(), admitted)
    assert house.value("sipagent_calls_received_total", trunk="pbx", direction="inbound") == 2
    assert house.value("sipagent_calls_active", trunk="pbx") == 2
    house.metrics.call_left("pbx", "caller_hung_up")
    assert house.value("sipagent_calls_active", trunk="pbx") == 1
    assert house.value("sipagent_calls_ended_total", trunk="pbx", reason="caller_hung_up") == 1


def test_backends_and_reloads(house: House) -> None:
    house.server = replace(house.server, backends_up={"bot": False, "echo": True})
    house.metrics.count_reload(True)
    house.metrics.count_reload(False)
    assert house.value("sipagent_backend_up", agent="bot") == 0
    assert house.value("sipagent_backend_up", agent="echo") == 1
    assert house.value("sipagent_config_reloads_total", outcome="applied") == 1
    assert house.value("sipagent_config_reloads_total", outcome="refused") == 1


def test_the_servers_of_a_trunk() -> None:
    house = House()
    up, down = ({"trunk": "pbx", "target": f"udp:192.0.2.{number}:5060"} for number in (1, 2))
    assert house.value("sipagent_trunk_target_up", **up) == 1
    assert house.value("sipagent_trunk_target_rtt_seconds", **up) == 0.012
    assert house.value("sipagent_trunk_target_up", **down) == 0
    assert house.value("sipagent_trunk_target_rtt_seconds", **down) is None


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


def test_what_is_free_of_each_resource(house: House) -> None:
    assert house.value("sipagent_headroom_ratio", resource="calls") == 0.75


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


def test_the_feed_of_the_database_is_shown(house: House) -> None:
    house.metrics.observe_call_log(is_up=True, lag_records=7)
    assert house.value("sipagent_call_log_database_up") == 1
    assert house.value("sipagent_call_log_lag_records") == 7


def test_a_peer_that_claims_a_negative_loss_breaks_nothing(house: House) -> None:
    report = RtpReport(InboundReport(), OutboundReport(packets=1, lost=-3))
    house.observe(events.LegEnded(**CALL, reason="x", rtp=report.as_dict()))
    assert house.value("sipagent_rtp_packets_total", kind="outbound_packets") == 1


@pytest.mark.parametrize(("is_registered", "value"), [(True, 1), (False, 0)])
def test_a_trunk_shows_whether_it_is_registered(house: House, is_registered: bool, value: int) -> None:
    house.metrics.observe_trunk(
        events.TrunkStateChanged(at=1.0, trunk="pbx", registered=is_registered, sip_status=200, detail="")
    )
    assert house.value("sipagent_trunk_registered", trunk="pbx") == value


def test_every_process_tells_of_its_tasks(house: House) -> None:
    by_process = [
        house.value("sipagent_asyncio_tasks", process=each) for each in ("control", "worker 0", "worker 1")
    ]
    assert by_process == [40, 17, 17]


def test_lateness_of_ticks_is_a_cumulative_histogram(house: House) -> None:
    bounds = ("0.001", "0.01", "+Inf")
    buckets = [house.value("sipagent_tick_late_seconds_bucket", worker="0", le=bound) for bound in bounds]
    assert buckets == [5, 8, 9]
    assert house.value("sipagent_tick_late_seconds_count", worker="0") == 9
    assert house.value("sipagent_tick_late_seconds_sum", worker="0") == 0.25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sipagent_worker_legs", 3),
        ("sipagent_worker_resident_bytes", 40_000_000),
        ("sipagent_worker_cpu_seconds_total", 1.5),
        ("sipagent_worker_ticks_skipped_total", 2),
    ],
)
def test_every_worker_shows_its_last_report(house: House, name: str, value: float) -> None:
    assert [house.value(name, worker=number) for number in ("0", "1")] == [value, value]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sipagent_worker_restarts_total", 1),
        ("sipagent_rtp_port_pairs_in_use", 4),
        ("sipagent_sip_requests_dropped_total", 9),
    ],
)
def test_the_servers_own_figures_are_asked_for_at_every_scrape(house: House, name: str, value: float) -> None:
    assert house.value(name) == value
    house.server = ServerFigures(worker_restarts=0, rtp_port_pairs_in_use=0, source_filter_dropped=0)
    assert house.value(name) == 0


def test_a_worker_that_is_gone_is_not_shown(house: House) -> None:
    del house.workers[1]
    assert house.value("sipagent_worker_legs", worker="1") is None


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


def test_two_servers_in_one_process_do_not_share_metrics(house: House) -> None:
    other = House()
    house.observe(received())
    assert other.value("sipagent_calls_received_total", trunk="pbx", direction="inbound") is None


def test_the_docs_name_every_metric_and_no_other(house: House) -> None:
    rows = (line for line in DOCS.read_text().splitlines() if line.startswith("| `"))
    documented = {row.split("`")[1].removesuffix("_total") for row in rows}
    scraped = text_string_to_metric_families(house.metrics.exposition().decode())
    exposed = {family.name for family in scraped if not family.name.endswith("_created")}
    assert documented == exposed
