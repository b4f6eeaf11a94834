"""Prometheus metrics, fed by events and worker reports and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sipagent import events

#: The counts of packets in an RTP report (see `rtp.stats`).
RTP_KINDS = (
    *("packets", "lost", "late", "duplicate", "reordered", "foreign", "foreign_rtcp", "stun", "malformed"),
    *("unauthenticated", "replayed", "unsent"),
)
#: The queues that drop audio, and under which name a leg reports it, in ms.
DROPPING_QUEUES = {"backend": "dropped_ms", "playout": "playout_dropped_ms"}
TOOL_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30)
GAP_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)
DIAL_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20)
RING_BUCKETS_S = (1, 3, 5, 8, 12, 16, 20, 25, 30, 40, 60, 90)
DIAL_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20)
RING_BUCKETS_S = (1, 3, 5, 8, 12, 16, 20, 25, 30, 40, 60, 90)
SETUP_BUCKETS_S = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5)


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """What one media worker last said of itself; totals count from its start."""

    legs: int
    cpu_s: float
    rss_bytes: int
    ticks: int
    ticks_skipped: int
    late_bounds_s: tuple[float, ...]
    late_buckets: list[int]
    late_sum_s: float


@dataclass(frozen=True, slots=True)
class TargetFigures:
    """A server of a trunk's proxy or registrar: `is_up` None where nothing is known of it."""

    trunk: str
    target: str
    is_up: bool | None
    rtt_ms: float | None


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What the control process counts outside of calls."""

    worker_restarts: int
    rtp_port_pairs_in_use: int
    source_filter_dropped: int
    workers_up: int = 0
    worker_crash_loops: int = 0
    targets: tuple[TargetFigures, ...] = ()
    backends_up: Mapping[str, bool] = field(default_factory=dict)


Workers = Callable[[], Mapping[int, WorkerFigures]]


class Metrics:
    """The server's metrics. `observe` takes every event of every call."""

    def __init__(self, workers: Workers, server: Callable[[], ServerFigures]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(FiguresCollector(workers, server))
        to = self.registry
        self._received = Counter(
            "sipagent_calls_received_total", "INVITEs judged", ["trunk", "direction"], registry=to
        )
        self._refused = Counter(
            "sipagent_calls_refused_total", "Calls refused, by rule", ["trunk", "reason"], registry=to
        )
        self._routed = Counter(
            "sipagent_calls_routed_total", "Calls judged, by route", ["route", "outcome"], registry=to
        )
        self._reloads = Counter(
            "sipagent_config_reloads_total", "Reloads of the configuration", ["outcome"], registry=to
        )
        self._ended = Counter(
            "sipagent_calls_ended_total", "Admitted calls ended, by reason", ["trunk", "reason"], registry=to
        )
        self._active = Gauge(
            "sipagent_calls_active", "Admitted calls that have not ended", ["trunk"], registry=to
        )
        self._setup = Histogram(
            "sipagent_call_setup_seconds", "INVITE to 200 OK", ["trunk"], buckets=SETUP_BUCKETS_S, registry=to
        )
        self._dialled = Counter(
            "sipagent_calls_dialled_total", "Calls of ours, by outcome", ["trunk", "outcome"], registry=to
        )
        self._post_dial_delay = Histogram(
            "sipagent_post_dial_delay_seconds",
            "Our INVITE to the first word of the callee's side",
            ["trunk"],
            buckets=DIAL_BUCKETS_S,
            registry=to,
        )
        self._ring = Histogram(
            "sipagent_ring_seconds",
            "First word of the callee's side to answer or end",
            ["trunk", "outcome"],
            buckets=RING_BUCKETS_S,
            registry=to,
        )
        self._starved = Counter(
            "sipagent_agent_starved_frames_total", "20 ms holes in agent speech", ["cause"], registry=to
        )
        self._interruptions = Counter(
            "sipagent_agent_interruptions_total", "Agent utterances cut off by barge-in", registry=to
        )
        self._digits = Counter("sipagent_dtmf_digits_total", "DTMF digits received", ["method"], registry=to)
        self._holds = Counter("sipagent_calls_held_total", "Holds by peers", ["trunk"], registry=to)
        self._transfers = Counter(
            "sipagent_transfers_total",
            "Transfers, by way and outcome",
            ["trunk", "how", "outcome"],
            registry=to,
        )
        self._truncated = Counter(
            "sipagent_recordings_truncated_total", "Recordings that lack audio, as it happens", registry=to
        )
        self._dropped = Counter(
            "sipagent_audio_dropped_seconds_total",
            "Audio of ended calls that a full queue dropped",
            ["queue"],
            registry=to,
        )
        self._tools = Histogram(
            "sipagent_tool_call_seconds",
            "Tools that models called, until their answer",
            ["tool", "outcome"],
            buckets=TOOL_BUCKETS_S,
            registry=to,
        )
        self._tool_down = Gauge(
            "sipagent_tool_down", "1 while a tool is taken for down", ["agent", "tool"], registry=to
        )
        self._safe_modes = Counter(
            "sipagent_safe_modes_total", "Times that a call went into safe mode", ["trunk"], registry=to
        )
        self._problems = Counter(
            "sipagent_backend_problems_total", "Error events of backends", ["code"], registry=to
        )
        self._fallback = Counter(
            "sipagent_fallback_steps_total",
            "Steps taken for calls that lost their model",
            ["step", "outcome"],
            registry=to,
        )
        self._rollovers = Counter(
            "sipagent_session_rollovers_total", "Sessions replaced before their end", registry=to
        )
        self._gaps = Histogram(
            "sipagent_rehoming_gap_seconds",
            "How long calls were without a media worker when theirs was lost",
            ["cause"],
            buckets=GAP_BUCKETS_S,
            registry=to,
        )
        self._rtp = Counter(
            "sipagent_rtp_packets_total",
            "RTP packets of ended calls, by what became of them",
            ["kind"],
            registry=to,
        )
        self._cost = Counter(
            "sipagent_cost_total", "What calls cost", ["agent", "trunk", "currency"], registry=to
        )
        self._tokens = Counter(
            "sipagent_tokens_total", "Tokens of models", ["agent", "trunk", "model", "kind"], registry=to
        )
        self._answered = Counter(
            "sipagent_answered_seconds_total",
            "Time between answer and end of calls",
            ["agent", "trunk", "direction"],
            registry=to,
        )
        self._log_lag = Gauge(
            "sipagent_call_log_lag_records", "Call records not in the database yet", registry=to
        )
        self._log_up = Gauge(
            "sipagent_call_log_database_up", "1 while the database of calls can be used", registry=to
        )
        self._webhooks = Counter(
            "sipagent_webhook_attempts_total",
            "Attempts to deliver webhooks, by what came of them",
            ["endpoint", "outcome"],
            registry=to,
        )
        self._webhook_backlog = Gauge(
            "sipagent_webhook_backlog_messages", "Webhooks not delivered yet", ["endpoint"], registry=to
        )
        self._webhook_lag = Gauge(
            "sipagent_webhook_lag_seconds", "Age of the oldest webhook that waits", ["endpoint"], registry=to
        )
        self._registered = Gauge(
            "sipagent_trunk_registered", "1 while the trunk is registered", ["trunk"], registry=to
        )

    def observe(self, event: events.Event, trunk: str, began: float | None) -> None:
        """Count one event of a call over `trunk` that came in at `began`; None: it is one of ours."""
        match event:
            case events.CallReceived():
                self._received.labels(trunk, event.direction).inc()
            case events.CallAdmitted():
                self._active.labels(trunk).inc()
            case events.CallRouted():
                self._routed.labels(event.route or "", event.outcome).inc()
            case events.CallRefused():
                self._refused.labels(trunk, event.reason_code).inc()
            case events.CallAnswered() if began is not None:
                self._setup.labels(trunk).observe(event.at - began)
            case events.AgentSpeechEnded():
                for cause, frames in event.starvations.items():
                    self._starved.labels(cause).inc(frames)
                if event.interrupted:
                    self._interruptions.inc()
            case events.DigitReceived():
                self._digits.labels(event.method).inc()
            case events.CallHeld():
                self._holds.labels(trunk).inc()
            case events.TransferEnded():
                self._transfers.labels(trunk, event.how, event.outcome).inc()
            case events.HumanLegEnded():
                self._count_rtp(event.rtp)
            case events.RecordingTruncated():
                self._truncated.inc()
            case events.ToolAnswered():
                name = "" if event.outcome == "unknown" else event.name  # the model's invention
                self._tools.labels(name, event.outcome).observe(event.duration_ms / 1000)
            case events.SafeModeEntered():
                self._safe_modes.labels(trunk).inc()
            case events.FallbackTaken():
                self._fallback.labels(event.step.partition(" ")[0], event.outcome).inc()
            case events.SessionRolledOver():
                self._rollovers.inc()
            case events.LegRehomed():
                self._gaps.labels(event.cause).observe(event.gap_ms / 1000)
            case events.BackendProblem():
                self._problems.labels(event.code).inc()
            case events.CallCharged():
                self._count_cost(event)
            case events.LegEnded():
                self._count_rtp(event.rtp)
                for queue, key in DROPPING_QUEUES.items():
                    self._dropped.labels(queue).inc(event.audio.get(key, 0) / 1000)

    def count_dial(
        self, trunk: str, outcome: str, post_dial_delay_s: float | None, ring_s: float | None
    ) -> None:
        """A call of ours is over, or never came about."""
        self._dialled.labels(trunk, outcome).inc()
        if post_dial_delay_s is not None:
            self._post_dial_delay.labels(trunk).observe(post_dial_delay_s)
        if ring_s is not None:
            self._ring.labels(trunk, outcome).observe(ring_s)

    def call_left(self, trunk: str, end_reason: str) -> None:
        """An admitted call is over."""
        self._active.labels(trunk).dec()
        self._ended.labels(trunk, end_reason).inc()

    def tool_down(self, agent: str, tool: str, is_down: bool) -> None:
        """A tool is taken for down since now, or is back."""
        self._tool_down.labels(agent, tool).set(is_down)

    def observe_trunk(self, event: events.TrunkStateChanged) -> None:
        self._registered.labels(event.trunk).set(event.registered)

    def count_webhook(self, endpoint: str, outcome: str, messages: int = 1) -> None:
        self._webhooks.labels(endpoint, outcome).inc(messages)

    def observe_webhooks(self, endpoint: str, backlog: int, lag_s: float) -> None:
        """How much waits for an endpoint, and since when."""
        self._webhook_backlog.labels(endpoint).set(backlog)
        self._webhook_lag.labels(endpoint).set(lag_s)

    def observe_call_log(self, is_up: bool, lag_records: int) -> None:
        """How the database of calls is fed. May be called from any thread."""
        self._log_up.set(is_up)
        self._log_lag.set(lag_records)

    def count_reload(self, is_applied: bool) -> None:
        self._reloads.labels("applied" if is_applied else "refused").inc()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _count_cost(self, charged: events.CallCharged) -> None:
        whose = (charged.agent, charged.trunk)
        self._answered.labels(*whose, charged.direction).inc(charged.answered_s)
        for model, tokens in charged.tokens.items():
            for kind, count in tokens.items():
                self._tokens.labels(*whose, model, kind).inc(count)
        if charged.currency is not None:
            self._cost.labels(*whose, charged.currency).inc(charged.model_cost)
            for trunk, cost in charged.trunks.items():
                self._cost.labels(charged.agent, trunk, charged.currency).inc(cost)

    def _count_rtp(self, rtp: Mapping[str, object]) -> None:
        for direction, figures in rtp.items():
            if isinstance(figures, Mapping):
                for kind in RTP_KINDS:
                    count = figures.get(kind) or 0
                    if count > 0:  # a peer's RTCP may say anything
                        self._rtp.labels(f"{direction}_{kind}").inc(count)


class FiguresCollector(Collector):
    """Exposes what is not counted by events: asked for at every scrape."""

    def __init__(self, workers: Workers, server: Callable[[], ServerFigures]) -> None:
        self._workers = workers
        self._server = server

    def collect(self) -> Iterable[Metric]:
        yield from self._collect_server()
        yield from self._collect_workers()

    def _collect_server(self) -> Iterable[Metric]:
        figures = self._server()
        yield CounterMetricFamily(
            "sipagent_worker_restarts", "Media workers that died and were restarted", figures.worker_restarts
        )
        yield GaugeMetricFamily(
            "sipagent_workers_up", "Media workers that could carry calls", figures.workers_up
        )
        yield GaugeMetricFamily(
            "sipagent_worker_crash_loops",
            "Media workers that die again and again",
            figures.worker_crash_loops,
        )
        yield GaugeMetricFamily(
            "sipagent_rtp_port_pairs_in_use",
            "RTP/RTCP port pairs that calls hold",
            figures.rtp_port_pairs_in_use,
        )
        yield from _target_metrics(figures.targets)
        yield _backend_metric(figures.backends_up)
        yield CounterMetricFamily(
            "sipagent_sip_requests_dropped",
            "Requests from unlisted sources, dropped unanswered",
            figures.source_filter_dropped,
        )

    def _collect_workers(self) -> Iterable[Metric]:
        legs = GaugeMetricFamily("sipagent_worker_legs", "Legs on a media worker", labels=["worker"])
        rss = GaugeMetricFamily(
            "sipagent_worker_resident_bytes", "Memory of a media worker", labels=["worker"]
        )
        cpu = CounterMetricFamily(
            "sipagent_worker_cpu_seconds", "CPU time of a media worker", labels=["worker"]
        )
        skipped = CounterMetricFamily(
            "sipagent_worker_ticks_skipped", "Sub-ticks given up after a stall", labels=["worker"]
        )
        late = HistogramMetricFamily(
            "sipagent_tick_late_seconds", "Lateness of media sub-ticks", labels=["worker"]
        )
        for number, figures in self._workers().items():
            label = [str(number)]
            legs.add_metric(label, figures.legs)
            rss.add_metric(label, figures.rss_bytes)
            cpu.add_metric(label, figures.cpu_s)
            skipped.add_metric(label, figures.ticks_skipped)
            late.add_metric(label, cumulative(figures), figures.late_sum_s)
        return [legs, rss, cpu, skipped, late]


def _target_metrics(targets: Iterable[TargetFigures]) -> Iterable[Metric]:
    labels = ["trunk", "target"]
    up = GaugeMetricFamily(
        "sipagent_trunk_target_up", "1 while a trunk's server is not known to be down", labels=labels
    )
    rtt = GaugeMetricFamily(
        "sipagent_trunk_target_rtt_seconds", "How long its last answer to OPTIONS took", labels=labels
    )
    for target in targets:
        up.add_metric([target.trunk, target.target], target.is_up is not False)
        if target.rtt_ms is not None:
            rtt.add_metric([target.trunk, target.target], target.rtt_ms / 1000)
    return [up, rtt]


def _backend_metric(backends_up: Mapping[str, bool]) -> Metric:
    up = GaugeMetricFamily(
        "sipagent_backend_up", "1 until an agent's backend has failed too often in a row", labels=["agent"]
    )
    for agent, is_up in backends_up.items():
        up.add_metric([agent], is_up)
    return up


def cumulative(figures: WorkerFigures) -> list[tuple[str, float]]:
    """Prometheus's cumulative buckets from plain ones."""
    total, buckets = 0, []
    for bound, count in zip([*map(str, figures.late_bounds_s), "+Inf"], figures.late_buckets, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
