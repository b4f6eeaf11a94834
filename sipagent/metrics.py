"""Prometheus metrics, fed by events and worker reports and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sipagent import events

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


class Metrics:
    """The server's metrics. `observe` takes every event of every call."""

    def __init__(
        self, workers: Callable[[], Mapping[int, WorkerFigures]], restarts: Callable[[], int]
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(WorkerCollector(workers, restarts))
        to = self.registry
        self._received = Counter(
            "sipagent_calls_received_total", "INVITEs judged", ["trunk", "direction"], registry=to
        )
        self._refused = Counter(
            "sipagent_calls_refused_total", "Calls refused, by rule", ["trunk", "reason"], registry=to
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
        self._starved = Counter(
            "sipagent_agent_starved_frames_total", "20 ms holes in agent speech", ["cause"], registry=to
        )
        self._interruptions = Counter(
            "sipagent_agent_interruptions_total", "Agent utterances cut off by barge-in", registry=to
        )
        self._digits = Counter("sipagent_dtmf_digits_total", "DTMF digits received", ["method"], registry=to)
        self._problems = Counter(
            "sipagent_backend_problems_total", "Error events of backends", ["code"], registry=to
        )
        self._rtp = Counter(
            "sipagent_rtp_packets_total",
            "RTP packets of ended calls, by what became of them",
            ["kind"],
            registry=to,
        )
        self._registered = Gauge(
            "sipagent_trunk_registered", "1 while the trunk is registered", ["trunk"], registry=to
        )
        self._dropped = Gauge(
            "sipagent_sip_source_filter_dropped", "Requests dropped from unlisted sources", registry=to
        )

    def observe(self, event: events.Event, trunk: str, began: float) -> None:
        """Count one event of a call that came over `trunk` at `began`."""
        match event:
            case events.CallReceived():
                self._received.labels(trunk, event.direction).inc()
            case events.CallAdmitted():
                self._active.labels(trunk).inc()
            case events.CallRefused():
                self._refused.labels(trunk, event.reason_code).inc()
            case events.CallAnswered():
                self._setup.labels(trunk).observe(event.at - began)
            case events.AgentSpeechEnded():
                for cause, frames in event.starvations.items():
                    self._starved.labels(cause).inc(frames)
                if event.interrupted:
                    self._interruptions.inc()
            case events.DigitReceived():
                self._digits.labels(event.method).inc()
            case events.BackendProblem():
                self._problems.labels(event.code).inc()
            case events.LegEnded():
                self._count_rtp(event.rtp)

    def call_left(self, trunk: str, end_reason: str) -> None:
        """An admitted call is over."""
        self._active.labels(trunk).dec()
        self._ended.labels(trunk, end_reason).inc()

    def observe_trunk(self, event: events.TrunkStateChanged) -> None:
        self._registered.labels(event.trunk).set(event.registered)

    def set_source_filter_dropped(self, total: int) -> None:
        self._dropped.set(total)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _count_rtp(self, rtp: Mapping[str, object]) -> None:
        for direction, figures in rtp.items():
            if isinstance(figures, Mapping):
                for kind, value in figures.items():
                    if isinstance(value, int) and kind.endswith("packets"):
                        self._rtp.labels(f"{direction}_{kind}").inc(value)


class WorkerCollector(Collector):
    """Exposes what the media workers last reported."""

    def __init__(
        self, workers: Callable[[], Mapping[int, WorkerFigures]], restarts: Callable[[], int]
    ) -> None:
        self._workers = workers
        self._restarts = restarts

    def collect(self) -> Iterable[Metric]:
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
        restarts = CounterMetricFamily(
            "sipagent_worker_restarts", "Media workers that died and were restarted"
        )
        restarts.add_metric([], self._restarts())
        return [legs, rss, cpu, skipped, late, restarts]


def cumulative(figures: WorkerFigures) -> list[tuple[str, float]]:
    """Prometheus's cumulative buckets from plain ones."""
    total, buckets = 0, []
    for bound, count in zip([*map(str, figures.late_bounds_s), "+Inf"], figures.late_buckets, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
