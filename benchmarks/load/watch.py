"""Looks at everything once a second: processes, metrics, media."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import numpy as np

from benchmarks.load import pace, proc
from benchmarks.load.histogram import percentile, total
from benchmarks.load.house import House
from benchmarks.load.measures import LATE_BOUNDS_MS, Sample, Second
from benchmarks.load.plan import Plan
from benchmarks.load.scrape import Scrape, Scraper
from benchmarks.load.sipp import Sipp

LATE_PERCENT = 99


class Watch:
    """`samples` are all looks so far, `first` and `last` the metrics at their beginning and end."""

    def __init__(self, house: House, plan: Plan) -> None:
        self.samples: list[Sample] = []
        self.sipps: list[Sipp] = []
        self.setups_ms: list[float] = []
        self.began = time.monotonic()
        self._house = house
        self._plan = plan
        self.scraper = Scraper(house.setup.http_port)
        self.idle_work_ms = 0.0
        """Before the first call."""
        self._cpu_s: Mapping[str, float] = {}
        self._busy_s = self._stolen_s = 0.0
        self._looked_at = 0.0
        self._seconds_before = self._seconds_seen = 0
        self.first = self.last = Scrape({})

    async def begin(self) -> None:
        self.idle_work_ms = pace.work_ms()
        self.began = time.monotonic()
        self._seconds_before = self._seconds_seen = len(self._house.peers.seconds)
        self.first = self.last = await self.scraper.scrape()
        self._look_at_processes()

    async def look(self) -> Sample:
        self.last = await self.scraper.scrape()
        cpu, busy, stolen, usages = self._look_at_processes()
        server = usages["control"] + usages["workers"]
        media = self._new_seconds()
        setups = self._new_setups()
        sample = Sample(
            at_s=self._looked_at - self.began,
            phase=self._plan.phase_at(self._looked_at - self.began).name,
            calls=int(self.last.total("sipagent_calls_active")),
            streams=media[-1].streams if media else 0,
            cpu=cpu,
            machine_busy=busy,
            stolen=stolen,
            work_ms=pace.work_ms(),
            rss={name: sum(each.rss_bytes for each in all_of) for name, all_of in usages.items()},
            fds=sum(each.fds for each in server) - self._fds_of_ports(),
            threads=sum(each.threads for each in server),
            sent=sum(second.sent for second in media),
            received=sum(second.received for second in media),
            lost=sum(second.lost - second.dropped for second in media),
            late_p99_ms=_late_p99([second.late for second in media]),
            late_max_ms=max((second.late_max_ms for second in media), default=0.0),
            own_late_p99_ms=_late_p99([second.own_late for second in media]),
            setup_p95_ms=float(np.percentile(setups, 95)) if setups else 0.0,
            setup_max_ms=max(setups, default=0.0),
        )
        self.samples.append(sample)
        return sample

    async def close(self) -> None:
        await self.scraper.close()

    def _parties(self) -> dict[str, list[int]]:
        return {
            "control": [self._house.control],
            "workers": self._house.workers,
            "model": [self._house.model],
            "callers' media": [self._house.peers.pid],
            "SIPp": [sipp.pid for sipp in self.sipps if sipp.is_running],
            "harness": [os.getpid()],
        }

    def _look_at_processes(self) -> tuple[dict[str, float], float, float, dict[str, list[proc.Usage]]]:
        now, busy_s, stolen_s = time.monotonic(), proc.machine_busy_s(), proc.stolen_s()
        usages = {
            name: [usage for pid in pids if (usage := proc.usage(pid)) is not None]
            for name, pids in self._parties().items()
        }
        cpu_s = {name: sum(each.cpu_s for each in all_of) for name, all_of in usages.items()}
        elapsed_s = now - self._looked_at
        cpu = {name: max(0.0, share) for name, share in proc.shares(self._cpu_s, cpu_s, elapsed_s).items()}
        busy, stolen = (busy_s - self._busy_s) / elapsed_s, (stolen_s - self._stolen_s) / elapsed_s
        self._cpu_s, self._busy_s, self._stolen_s, self._looked_at = cpu_s, busy_s, stolen_s, now
        return cpu, busy, stolen, usages

    def media(self) -> list[Second]:
        """All that the callers' media told since the beginning."""
        return self._house.peers.seconds[self._seconds_before :]

    def _fds_of_ports(self) -> int:
        """The control process has one of each port, and a worker another while a leg uses it."""
        in_use = 2 * int(self.last.total("sipagent_rtp_port_pairs_in_use"))
        return proc.udp_sockets(self._house.setup.rtp_ports) + in_use

    def _new_setups(self) -> list[float]:
        """Times of the calls that were answered since the look before."""
        times = [ms for each in self.sipps for ms in each.new_answer_times_ms()]
        self.setups_ms += times
        return times

    def _new_seconds(self) -> list[Second]:
        new = self._house.peers.seconds[self._seconds_seen :]
        self._seconds_seen += len(new)
        return new


def _late_p99(rows: list[list[int]]) -> float:
    return percentile(total(rows), LATE_BOUNDS_MS, LATE_PERCENT) if rows else 0.0
