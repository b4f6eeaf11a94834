"""One run of load, from the first process to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.load import audit, figures, proc
from benchmarks.load.house import TOKEN, House, house
from benchmarks.load.level import Level, Outcome, judge
from benchmarks.load.measures import Counts, ReferenceOutcome, Sample
from benchmarks.load.orders import Orders
from benchmarks.load.plan import OUTBOUND, SHORT_CALL_S, SIDE_CALL_S, SIDE_CALLS_PER_S, Phase, Plan
from benchmarks.load.reference import Reference
from benchmarks.load.scrape import Scrape
from benchmarks.load.sipp import Sipp, sipp, write_callers
from benchmarks.load.standing import ahead
from benchmarks.load.watch import Watch
from sipagent.worker.priority import claim
from tests.e2e.support.setup import HOST

HELD, NUMBER = "uac-load-held-bye", "1000"
WARM_UP_CALLS, WARM_UP_CALL_MS = 10, 1500
LOOK_EVERY_S = 1.0
SERVER = ("control", "workers")

OnSample = Callable[[Sample, Mapping[str, Counts]], None]


class Run:
    """The load on one house: calls, side calls and the reference, watched."""

    def __init__(self, here: House, plan: Plan, directory: Path, on_sample: OnSample) -> None:
        self._house = here
        self._plan = plan
        self._directory = directory
        self._on_sample = on_sample
        self._orders = Orders(f"http://{HOST}:{here.setup.http_port}/v1/calls", TOKEN)
        self.watch = Watch(here, plan)
        self.pss_bytes = 0

    async def warm_up(self) -> int:
        """A wave of short calls, so that what is made once is made. Returns the idle server's PSS."""
        async with self._calls("warm-up", NUMBER, WARM_UP_CALLS, WARM_UP_CALL_MS / 1000, 10.0) as warm_up:
            await warm_up.ended()
        await self.watch.scraper.until_zero("sipagent_worker_legs", audit.SETTLE_S)
        return self._server_pss()

    async def load(self) -> ReferenceOutcome | None:
        """All phases; returns when the last call has ended."""
        plan = self._plan
        await self.watch.begin()
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group, contextlib.AsyncExitStack() as stack:
            reference = group.create_task(self._reference(over))
            main = await stack.enter_async_context(
                self._calls("calls", NUMBER, plan.calls_in_all, plan.call_lasts_s, plan.rate_per_s)
            )
            self.watch.sipps.append(main)
            sides = [group.create_task(self._side_calls(phase)) for phase in plan.phases() if phase.sides]
            if plan.outbound_calls:
                sides.append(group.create_task(self._callees()))
            if plan.short_calls:
                sides.append(group.create_task(self._short_calls()))
            looking = group.create_task(self._look())
            await main.ended()
            await asyncio.gather(*sides)
            over.set()
            looking.cancel()
        await self.watch.look()
        return reference.result()

    def counts(self) -> dict[str, Counts]:
        return {each.name: each.counts() for each in (*self.watch.sipps, self._orders)}

    def _calls(
        self, name: str, number: str, calls: int, call_s: float, rate_per_s: float
    ) -> contextlib.AbstractAsyncContextManager[Sipp]:
        callers = self._directory / f"{name}.callers"
        write_callers(callers, self._house.peers.ports, calls)
        return sipp(
            name,
            HELD,
            self._directory,
            (HOST, self._house.setup.sip_port),
            number,
            *("-inf", str(callers), "-d", str(round(1000 * call_s)), "-l", str(self._plan.room)),
            calls=calls,
            rate_per_s=rate_per_s,
            lasts_s=calls / rate_per_s + call_s,
        )

    async def _side_calls(self, phase: Phase) -> None:
        await asyncio.sleep(phase.begins_s)
        async with contextlib.AsyncExitStack() as stack:
            begun = [
                await stack.enter_async_context(
                    sipp(
                        f"{phase.name} {side.name}",
                        side.scenario,
                        self._directory,
                        (HOST, self._house.setup.sip_port),
                        side.number,
                        calls=phase.side_calls,
                        rate_per_s=SIDE_CALLS_PER_S,
                        lasts_s=phase.lasts_s,
                    )
                )
                for side in phase.sides
                if side is not OUTBOUND
            ]
            self.watch.sipps += begun
            if OUTBOUND in phase.sides:
                await self._orders.place(OUTBOUND.number, phase.side_calls, 1 / SIDE_CALLS_PER_S)
            for each in begun:
                await each.ended()

    async def _callees(self) -> None:
        """Those who are called by the server: until all of them were."""
        plan = self._plan
        callers = self._directory / "outbound.callers"
        write_callers(callers, self._house.peers.ports, plan.outbound_calls)
        async with sipp(
            OUTBOUND.name,
            OUTBOUND.scenario,
            self._directory,
            (HOST, self._house.setup.sip_port),
            OUTBOUND.number,
            *("-inf", str(callers), "-d", str(round(1000 * SIDE_CALL_S))),
            calls=plan.outbound_calls,
            rate_per_s=SIDE_CALLS_PER_S,
            lasts_s=plan.lasts_s,
            port=self._house.callee_port,
        ) as callees:
            self.watch.sipps.append(callees)
            await callees.ended()

    async def _short_calls(self) -> None:
        plan = self._plan
        await asyncio.sleep(plan.ramp_s)
        async with self._calls(
            "short", NUMBER, plan.short_calls, SHORT_CALL_S, plan.short_rate_per_s
        ) as short:
            self.watch.sipps.append(short)
            await short.ended()

    async def _reference(self, over: asyncio.Event) -> ReferenceOutcome | None:
        if not self._plan.has_reference:
            return None
        here = self._house
        return await Reference(here.setup, here.reference_model, self._plan.lasts_s).run(over)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + LOOK_EVERY_S, loop.time())
            await asyncio.sleep(due - loop.time())
            sample = await self.watch.look()
            if not self.pss_bytes and sample.at_s > self._plan.ramp_s + self._plan.hold_s / 2:
                self.pss_bytes = self._server_pss()
            self._on_sample(sample, self.counts())

    def _server_pss(self) -> int:
        return sum(map(proc.pss_bytes, self._house.server_pids.values()))


async def run(
    plan: Plan,
    directory: Path,
    on_sample: OnSample,
    level: Level | None = None,
    trouble: Mapping[str, Any] | None = None,
) -> Outcome:
    """Everything is left in `directory`. Raises NoSipp."""
    held_to = level or Level()
    async with house(plan, directory, trouble) as here:
        under = Run(here, plan, directory, on_sample)
        try:
            idle_pss = await under.warm_up()
            idle = await audit.idle(here, under.watch.scraper)
            claim(here.peers.pid)
            with ahead(here.model, os.getpid()):
                reference = await under.load()
            left = await audit.leaks(here, idle, under.watch.scraper, plan.calls_remembered)
            last = await under.watch.scraper.scrape()
        finally:
            await under.watch.close()
    found = _figures(under, plan, reference, last.since(under.watch.first), idle_pss, left, here)
    errors = {each.name: each.errors() for each in under.watch.sipps}
    return Outcome(
        plan=plan,
        level=held_to,
        figures=found,
        verdict=judge(found, held_to, proc.CORES),
        samples=under.watch.samples,
        sipp_errors={name: text for name, text in errors.items() if text},
    )


def _figures(
    under: Run,
    plan: Plan,
    reference: ReferenceOutcome | None,
    counted: Scrape,
    idle_pss: int,
    left: list[str],
    here: House,
) -> figures.Figures:
    samples = under.watch.samples
    steady = figures.steady(samples)
    held = max((sample.streams for sample in samples), default=0)
    return figures.Figures(
        calls_wanted=plan.calls if plan.call_s is None else 0,
        calls_held=held,
        end_reasons=_ints(counted.by("sipagent_calls_ended_total", "reason")),
        setup_ms=figures.percentiles(under.watch.setups_ms),
        lost_from_callers=int(counted.total("sipagent_rtp_packets_total", kind="inbound_lost")),
        starved=_ints(counted.by("sipagent_agent_starved_frames_total", "cause")),
        interruptions=int(counted.total("sipagent_agent_interruptions_total")),
        digits=int(counted.total("sipagent_dtmf_digits_total")),
        cpu=figures.cpu_medians(steady),
        cpu_max=figures.cpu_peaks(samples),
        machine_busy=figures.median([sample.machine_busy for sample in steady]),
        stolen=figures.mean([sample.stolen for sample in steady]),
        work_ms={"idle": round(under.watch.idle_work_ms, 2)}
        | figures.percentiles([sample.work_ms for sample in steady]),
        cpu_percent_per_call=figures.per_call_percent(steady),
        rss_mb={name: round(max(s.rss[name] for s in samples) / 2**20, 1) for name in SERVER},
        pss_mb=round(under.pss_bytes / 2**20, 1),
        pss_mb_per_call=round((under.pss_bytes - idle_pss) / 2**20 / max(held, 1), 3),
        slopes=figures.slopes(steady),
        errors_logged=audit.errors_logged(here),
        audit=[*left, *here.unstopped],
        reference=reference,
        **figures.media_totals(under.watch.media()),
        **figures.call_totals(under.counts()),
    )


def _ints(counted: Mapping[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in counted.items() if value}
