"""What a call costs in the whole server: `sipagent run` with so many calls, watched from outside.

SIPp signals, benchmarks/load/rtp_peers.c sends and hears RTP for all calls, `model.py` is the model. Counted
are the server's processes alone. Everything runs on this machine, so the kernel's part of delivering a packet
is with whoever sends it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.cost.conditions import Conditions
from benchmarks.cost.parties import CALLS_PER_S, callers_media, dialled, model, served
from benchmarks.load import proc
from benchmarks.load.histogram import percentile, total
from benchmarks.load.measures import LATE_BOUNDS_MS, Second
from benchmarks.load.peers import Peers
from benchmarks.load.scrape import Scrape, Scraper
from tests.e2e.support.server import Server

SETTLE_S, MEASURE_S = 4.0, 20.0
PATIENCE_S = 30.0
MB = 2**20


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Of one run. CPU in percent of a core: the server's for each call, that of all others in sum.

    Lateness is that of packets on the wire, as callers see it, and of the callers' own media. `sent_in` are
    packets that callers sent, for each call and second, `lost_out` those that didn't reach them.
    """

    workers_percent: float
    control_percent: float
    pss_mb: float
    late_p99_ms: float
    late_max_ms: float
    starved: int
    lost_out: int
    sent_in: float
    own_late_p99_ms: float
    others_percent: float

    @property
    def percent(self) -> float:
        return self.workers_percent + self.control_percent


@dataclass(frozen=True, slots=True)
class Look:
    """Everything at one moment: CPU times, metrics, and how many seconds the callers' media had told of."""

    at: float
    control_s: float
    workers_s: float
    others_s: float
    scrape: Scrape
    seconds: int

    @classmethod
    async def at_once(cls, server: Server, others: tuple[int, ...], media: Peers, scraper: Scraper) -> Look:
        return cls(
            time.monotonic(),
            cpu_s(server.process.pid),
            cpu_s(*server.workers),
            cpu_s(*others),
            await scraper.scrape(),
            len(media.seconds),
        )


def cpu_s(*pids: int) -> float:
    """Raises RuntimeError if one of them is gone."""
    usages = [proc.usage(pid) for pid in pids]
    if None in usages:
        raise RuntimeError("a process that is measured has ended")
    return sum(usage.cpu_s for usage in usages if usage is not None)


async def measure(directory: Path, conditions: Conditions) -> Cost:
    """Set the calls up, let them settle, and watch them for MEASURE_S.

    Raises RuntimeError if not all of them last.
    """
    async with (
        model(directory, conditions) as (model_pid, url),
        callers_media(directory, conditions) as media,
        served(directory, url, conditions) as server,
    ):
        scraper = Scraper(server.setup.http_port)
        idle_pss = _pss(server)
        async with dialled(server, conditions, media) as sipp_pid:
            try:
                await _all_up(server, scraper, conditions.calls)
                await asyncio.sleep(SETTLE_S)
                others = (model_pid, media.pid, sipp_pid)
                cost = await _watch(server, media, others, scraper, idle_pss, conditions.calls)
            finally:
                await scraper.close()
        await server.kill(workers_too=True)
        return cost


async def _all_up(server: Server, scraper: Scraper, calls: int) -> None:
    deadline = time.monotonic() + calls / CALLS_PER_S + PATIENCE_S
    while (active := (await scraper.scrape()).total("sipagent_calls_active")) < calls:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {active:g} of {calls} calls are up\n{server.tail()}")
        await asyncio.sleep(0.5)


async def _watch(
    server: Server, media: Peers, others: tuple[int, ...], scraper: Scraper, idle_pss: int, calls: int
) -> Cost:
    before = await Look.at_once(server, others, media, scraper)
    await asyncio.sleep(MEASURE_S)
    after = await Look.at_once(server, others, media, scraper)
    pss_mb = (_pss(server) - idle_pss) / MB
    active = after.scrape.total("sipagent_calls_active")
    seconds = media.seconds[before.seconds : after.seconds]
    if active != calls or not seconds or seconds[-1].streams != calls:
        heard = seconds[-1].streams if seconds else 0
        raise RuntimeError(f"of {calls} calls {active:g} are up and {heard} are heard")
    return cost(before, after, seconds, pss_mb, calls)


def cost(before: Look, after: Look, seconds: list[Second], pss_mb: float, calls: int) -> Cost:
    """Of what was seen before and after, and of what the callers' media told of the seconds between."""
    per_call = 100 / (after.at - before.at) / calls
    return Cost(
        workers_percent=per_call * (after.workers_s - before.workers_s),
        control_percent=per_call * (after.control_s - before.control_s),
        pss_mb=pss_mb / calls,
        late_p99_ms=percentile(total(each.late for each in seconds), LATE_BOUNDS_MS, 99),
        late_max_ms=max(each.late_max_ms for each in seconds),
        starved=int(after.scrape.since(before.scrape).total("sipagent_agent_starved_frames_total")),
        lost_out=sum(each.lost - each.dropped for each in seconds),
        sent_in=sum(each.sent for each in seconds) / len(seconds) / calls,
        own_late_p99_ms=percentile(total(each.own_late for each in seconds), LATE_BOUNDS_MS, 99),
        others_percent=per_call * calls * (after.others_s - before.others_s),
    )


def _pss(server: Server) -> int:
    return sum(proc.pss_bytes(pid) for pid in (server.process.pid, *server.workers))
