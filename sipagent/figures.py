"""What the server says of itself at every scrape."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator

from sipagent.call.house import House
from sipagent.metrics import ServerFigures, TargetFigures, WorkerFigures
from sipagent.sip.agent import SipAgent
from sipagent.worker.control.supervisor import Supervisor
from sipagent.worker.reports import LATE_BOUNDS_S


def server_figures(house: House, sip: SipAgent, workers: Supervisor) -> ServerFigures:
    """What the control process counts outside of calls, and what is left of its means.

    To be asked on its event loop.
    """
    return ServerFigures(
        tasks=len(asyncio.all_tasks()),
        worker_restarts=workers.restarts,
        workers_up=workers.up,
        worker_crash_loops=workers.crash_loops(),
        rtp_port_pairs_in_use=house.ports.in_use,
        source_filter_dropped=sip.dropped_requests,
        targets=tuple(_targets(house, sip)),
        backends_up=house.load.backends_up(),
        draining=house.load.draining,
        headroom=dict(_headroom(house, sip, workers)),
        storage_free_bytes=shutil.disk_usage(house.config.storage.directory).free,
    )


def worker_figures(workers: Supervisor) -> dict[int, WorkerFigures]:
    """The last report of each media worker, by its number."""
    return {
        number: WorkerFigures(
            legs=report.legs,
            tasks=report.tasks,
            cpu_s=report.cpu_s,
            rss_bytes=report.rss_bytes,
            ticks=report.ticks,
            ticks_skipped=report.ticks_skipped,
            late_bounds_s=LATE_BOUNDS_S,
            late_buckets=report.tick_late_buckets,
            late_sum_s=report.tick_late_sum_s,
        )
        for number, report in workers.reports().items()
    }


def _targets(house: House, sip: SipAgent) -> Iterator[TargetFigures]:
    for trunk in house.config.trunks:
        for known in sip.servers(trunk):
            yield TargetFigures(trunk, str(known.target), known.is_up, known.rtt_ms)


def _headroom(house: House, sip: SipAgent, workers: Supervisor) -> Iterator[tuple[str, float]]:
    """The share of each of our means that is still free."""
    yield "calls", 1 - house.load.calls / min(house.config.limits.max_calls, sip.max_calls)
    yield "rtp_ports", 1 - house.ports.in_use / house.config.rtp.port_pairs
    taken = workers.cpu_share()
    if taken is not None:
        yield "workers", 1 - taken
