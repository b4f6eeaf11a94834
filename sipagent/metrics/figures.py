"""What is not counted by events, but asked for at every scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """What one media worker last said of itself; totals count from its start."""

    legs: int
    tasks: int
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
    """What the control process counts outside of calls. `headroom` is the free share of each resource."""

    worker_restarts: int
    rtp_port_pairs_in_use: int
    source_filter_dropped: int
    tasks: int = 0
    workers_up: int = 0
    worker_crash_loops: int = 0
    targets: tuple[TargetFigures, ...] = ()
    backends_up: Mapping[str, bool] = field(default_factory=dict)
    draining: bool = False
    headroom: Mapping[str, float] = field(default_factory=dict)
    storage_free_bytes: int = 0


Workers = Callable[[], Mapping[int, WorkerFigures]]


class FiguresCollector(Collector):
    """Exposes what is not counted by events: asked for at every scrape."""

    def __init__(self, workers: Workers, server: Callable[[], ServerFigures]) -> None:
        self._workers = workers
        self._server = server

    def collect(self) -> Iterable[Metric]:
        server, workers = self._server(), self._workers()
        yield from self._collect_server(server)
        yield from self._collect_workers(workers)
        yield self._collect_tasks(server, workers)

    def _collect_server(self, figures: ServerFigures) -> Iterable[Metric]:
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
        yield _headroom_metric(figures.headroom)
        yield GaugeMetricFamily("sipagent_draining", "1 while new calls are refused", figures.draining)
        yield GaugeMetricFamily(
            "sipagent_storage_free_bytes",
            "Free space where recordings and records are kept",
            figures.storage_free_bytes,
        )
        yield _backend_metric(figures.backends_up)
        yield CounterMetricFamily(
            "sipagent_sip_requests_dropped",
            "Requests from unlisted sources, dropped unanswered",
            figures.source_filter_dropped,
        )

    def _collect_workers(self, workers: Mapping[int, WorkerFigures]) -> Iterable[Metric]:
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
        for number, figures in workers.items():
            label = [str(number)]
            legs.add_metric(label, figures.legs)
            rss.add_metric(label, figures.rss_bytes)
            cpu.add_metric(label, figures.cpu_s)
            skipped.add_metric(label, figures.ticks_skipped)
            late.add_metric(label, cumulative(figures), figures.late_sum_s)
        return [legs, rss, cpu, skipped, late]

    def _collect_tasks(self, server: ServerFigures, workers: Mapping[int, WorkerFigures]) -> Metric:
        tasks = GaugeMetricFamily(
            "sipagent_asyncio_tasks", "Tasks on the event loop of a process", labels=["process"]
        )
        tasks.add_metric(["control"], server.tasks)
        for number, figures in workers.items():
            tasks.add_metric([f"worker {number}"], figures.tasks)
        return tasks


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


def _headroom_metric(headroom: Mapping[str, float]) -> Metric:
    free = GaugeMetricFamily(
        "sipagent_headroom_ratio", "Share of a resource that is free: 1 to 0", labels=["resource"]
    )
    for resource, share in headroom.items():
        free.add_metric([resource], share)
    return free


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
