"""What must be left of calls when they are over: nothing but their records."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.load import proc
from benchmarks.load.house import House
from benchmarks.load.scrape import Scrape, Scraper
from tests.e2e.support import processes
from tests.e2e.support.setup import HOST
from tests.e2e.support.sip import options_answered

SETTLE_S = 20.0
"""How long things may take to be let go: port quarantine, workers' reports, pjsip's transactions."""
LOOK_EVERY_S = 0.5
SPARE_THREADS = 8
"""An executor keeps the threads that it once needed."""
SPARE_TASKS = 4
"""Tasks of the HTTP server, of a look-up, of a writer that is just busy."""
KEPT_BYTES_PER_CALL = 352 * 2**10
SPARE_BYTES = 24 * 2**20
"""Allocators keep what many calls once needed, and reuse it: whether it grows, only a soak can tell."""
GAUGES = (
    "sipagent_calls_active",
    "sipagent_rtp_port_pairs_in_use",
    "sipagent_worker_legs",
    "sipagent_call_log_lag_records",
)
"""What is 0 once calls are over and stored."""
ERROR_LEVELS = ("error", "critical")


@dataclass(frozen=True, slots=True)
class Idle:
    """What the server's processes hold without calls."""

    holdings: dict[int, processes.Holdings]
    rss_bytes: dict[int, int]
    tasks: dict[str, float]


async def idle(house: House, scraper: Scraper) -> Idle:
    """To be asked when no calls are on, and none has been for a second or two: workers report once in one."""
    pids = house.server_pids.values()
    return Idle(
        {pid: processes.holdings(pid, _ports(house)) for pid in pids},
        {pid: usage.rss_bytes for pid in pids if (usage := proc.usage(pid)) is not None},
        tasks_of(await scraper.scrape()),
    )


async def leaks(house: House, before: Idle, scraper: Scraper, calls_remembered: int) -> list[str]:
    """What is left of calls that shouldn't be, in words. Waits for what takes a moment."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        scrape = await scraper.scrape()
        held = [*_counted(scrape), *tasks_beyond(before.tasks, scrape), *_held(house, before), *_files(house)]
        if not held or time.monotonic() > deadline:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    return [*held, *await _answer(house), *_memory(house, before, calls_remembered)]


def _counted(scrape: Scrape) -> Iterator[str]:
    """What the server itself still counts."""
    for name in GAUGES:
        if value := scrape.total(name):
            yield f"{name} is {value:g}"


def tasks_of(scrape: Scrape) -> dict[str, float]:
    """By process."""
    return scrape.by("sipagent_asyncio_tasks", "process")


def tasks_beyond(before: Mapping[str, float], scrape: Scrape) -> Iterator[str]:
    """Processes that have come meanwhile are compared with none."""
    for process, tasks in tasks_of(scrape).items():
        more = tasks - before.get(process, tasks) - SPARE_TASKS
        if more > 0:
            yield f"{process} has {more + SPARE_TASKS:g} asyncio tasks more than before"


def errors_logged(house: House) -> dict[str, int]:
    """Events of the server's log at error level or above, and lines that are none of its events."""
    found = Counter[str]()
    for line in house.log.read_bytes().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            found["not JSON"] += 1
            continue
        if entry.get("level") in ERROR_LEVELS:
            found[entry.get("event", "")] += 1
    return dict(found)


def _ports(house: House) -> set[int]:
    return {*house.setup.rtp_ports, house.setup.sip_port, house.setup.tls_port}


def _held(house: House, before: Idle) -> Iterator[str]:
    names = {pid: name for name, pid in house.server_pids.items()}
    for pid, holdings in before.holdings.items():
        if not processes.is_alive(pid):
            yield f"process {names.get(pid, pid)} is gone"
            continue
        beyond = processes.holdings(pid, _ports(house)).beyond(holdings)
        beyond -= Counter(threads=SPARE_THREADS)
        if beyond:
            yield f"{names[pid]} holds {dict(beyond)} more than before"


def _files(house: House) -> Iterator[str]:
    if markers := len(list(house.setup.storage.glob("spool/open/*"))):
        yield f"{markers} markers of open calls"
    if parts := list(house.setup.storage.rglob("*.part")):
        yield f"{len(parts)} unfinished recordings"


async def _answer(house: House) -> list[str]:
    is_answered = await options_answered(HOST, house.setup.sip_port, within_s=1.0)
    return [] if is_answered else ["OPTIONS was not answered within a second"]


def _memory(house: House, before: Idle, calls_remembered: int) -> Iterator[str]:
    then = sum(before.rss_bytes.values())
    now = sum(usage.rss_bytes for pid in before.rss_bytes if (usage := proc.usage(pid)) is not None)
    if now - then > KEPT_BYTES_PER_CALL * calls_remembered + SPARE_BYTES:
        yield f"{(now - then) / 2**20:.0f} MB are kept of what {calls_remembered} calls may have needed"
