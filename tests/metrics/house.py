"""The metrics of a server with two workers, and how a scrape reads them."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from sipagent import events
from sipagent.metrics import Metrics, ServerFigures, TargetFigures, WorkerFigures

CALL = {"call_id": "c-1", "at": 12.0}
BEGAN = 11.75


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


def received() -> events.CallReceived:
    return events.CallReceived(
        **CALL, direction="inbound", source="s", trunk="pbx", from_number="1", to_number="2", sip_call_id="x"
    )
