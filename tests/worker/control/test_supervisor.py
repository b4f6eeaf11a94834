"""The supervisor and real worker processes; few tests, because each of them starts some."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import pytest

from rtp.ports import PortPool
from rtp.session import RtpParams
from sipagent import events
from sipagent.config import LoggingConfig
from sipagent.errors import EndReason, NoWorker
from sipagent.worker.control import child
from sipagent.worker.control import supervisor as module
from sipagent.worker.control.child import WorkerProcess
from sipagent.worker.control.handle import MAX_LOSSES, LegHandle
from sipagent.worker.control.supervisor import Supervisor
from sipagent.worker.orders import OpenLeg
from tests.e2e.support.waiting import eventually
from tests.rtp.test_ports import pool_of

pytestmark = pytest.mark.slow

Event = TypeVar("Event")
NOBODY = ("127.0.0.1", 9)
#: For processes that start on a busy machine.
PATIENCE_S = 40.0


class Call:
    """A leg as the call that ordered it sees it."""

    def __init__(
        self, workers: Supervisor, pool: PortPool, call_id: str, *, beside: str | None = None
    ) -> None:
        self.events: list[events.LegEvent] = []
        self._told = asyncio.Event()
        pair = pool.acquire(0.0)
        self.leg: LegHandle = workers.open_leg(
            order(call_id), (pair.rtp_sock, pair.rtcp_sock), self._on_event, beside=beside
        )

    async def told(self, kind: type[Event]) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(self.events[-1] if self.events else None, kind):
                self._told.clear()
                await self._told.wait()
        last = self.events[-1]
        assert isinstance(last, kind)
        return last

    def _on_event(self, event: events.LegEvent) -> None:
        self.events.append(event)
        self._told.set()


def order(call_id: str) -> OpenLeg:
    return OpenLeg(
        call_id=call_id,
        agent='{"name": "echo", "backend": {"kind": "echo"}}',
        codec="PCMU",
        recording=None,
        jitter_min_ms=60,
        jitter_max_ms=200,
    )


@pytest.fixture
def pool() -> Iterator[PortPool]:
    pool = pool_of(5)
    yield pool
    pool.close()


@pytest.fixture
def circling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that can be made to turn in a circle."""
    monkeypatch.setattr(child, "WORKER", "tests.worker.circling_worker")


@pytest.fixture
async def workers() -> AsyncIterator[Supervisor]:
    """Two of them, alive, and one that stands by."""
    workers = Supervisor(2, LoggingConfig(level="error"))
    await workers.start()
    yield workers
    async with asyncio.timeout(PATIENCE_S):
        await workers.stop()


def carrying(workers: Supervisor, call_id: str) -> WorkerProcess:
    return next(worker for worker in workers.ready_workers() if call_id in worker.legs)


def threads_of(worker: WorkerProcess) -> int:
    return len(os.listdir(f"/proc/{worker.process.pid}/task"))


async def lose_home(workers: Supervisor, call_id: str) -> None:
    """Kill the worker that carries a leg; returns when another does, or the leg has ended."""
    home = carrying(workers, call_id)
    leg = home.legs[call_id]
    os.kill(home.process.pid, signal.SIGKILL)

    def is_elsewhere() -> bool:
        return any(call_id in each.legs for each in workers.ready_workers() if each is not home)

    await eventually(lambda: leg.is_over or is_elsewhere(), "the leg has gone on", PATIENCE_S)


async def lose_others(workers: Supervisor, call_id: str) -> None:
    """Have new workers in place of the two that don't carry a leg, one of which stands by."""
    home = carrying(workers, call_id)
    for _ in range(2):
        await all_up(workers)
        (other,) = (each for each in workers.ready_workers() if each is not home)
        os.kill(other.process.pid, signal.SIGKILL)
        await eventually(lambda gone=other: gone not in workers.ready_workers(), "its end", PATIENCE_S)
    await all_up(workers)


async def all_up(workers: Supervisor) -> None:
    await eventually(lambda: workers.up == 3, "all workers", PATIENCE_S)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def turn_in_a_circle(pid: int) -> None:
    """As after a defect: the process takes all the time of a core and does nothing."""
    os.kill(pid, signal.SIGUSR2)


def open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_worker_has_its_own_thread_and_that_of_the_recordings(workers: Supervisor) -> None:
    assert [threads_of(worker) for worker in workers.ready_workers()] == [2, 2]


async def test_legs_are_spread_and_end_and_workers_that_die_are_replaced(
    workers: Supervisor, pool: PortPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.01)
    calls = [Call(workers, pool, f"c-{number}") for number in range(4)]
    for call in calls:
        await call.told(events.LegReady)
    assert sorted(len(worker.legs) for worker in workers.ready_workers()) == [2, 2]

    calls[0].leg.close(EndReason.CALLER_HUNG_UP)
    assert (await calls[0].told(events.LegEnded)).reason == "caller_hung_up"
    fifth = Call(workers, pool, "c-5")
    await fifth.told(events.LegReady)
    assert sorted(len(worker.legs) for worker in workers.ready_workers()) == [2, 2]

    doomed = carrying(workers, "c-1")
    survivors = set(carrying(workers, "c-2").legs)
    os.kill(doomed.process.pid, signal.SIGKILL)
    await eventually(
        lambda: doomed not in workers.ready_workers() and len(workers.ready_workers()) == 2,
        "two are up",
        PATIENCE_S,
    )
    assert carrying(workers, "c-1") is not doomed
    assert set(carrying(workers, "c-2").legs) == survivors
    calls[1].leg.close(EndReason.CALLER_HUNG_UP)
    assert (await calls[1].told(events.LegEnded)).reason == "caller_hung_up"
    assert sum(isinstance(event, events.LegReady) for event in calls[1].events) == 1
    await eventually(lambda: workers.restarts == 1, "a restart", PATIENCE_S)


async def test_a_leg_outlives_workers_that_are_killed_at_once(
    workers: Supervisor, pool: PortPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent from one to the next, none of which has read the order."""
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.01)
    call = Call(workers, pool, "c-1")
    await call.told(events.LegReady)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(child, "WORKER", "tests.worker.deaf_worker")
        await lose_others(workers, "c-1")
        for _ in range(MAX_LOSSES + 1):
            await lose_home(workers, "c-1")
    await lose_others(workers, "c-1")
    await lose_home(workers, "c-1")
    call.leg.close(EndReason.CALLER_HUNG_UP)
    assert (await call.told(events.LegEnded)).reason == "caller_hung_up"


async def test_stopping_does_not_wait_for_a_worker_in_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 3600.0)
    monkeypatch.setattr(module, "BACKOFF_MAX_S", 3600.0)
    before = open_fds()
    workers = Supervisor(1, LoggingConfig(level="error"))
    await workers.start()
    (worker,) = workers.ready_workers()
    os.kill(worker.process.pid, signal.SIGKILL)
    await eventually(lambda: workers.restarts == 1, "a restart", PATIENCE_S)
    (spare,) = workers.ready_workers()
    os.kill(spare.process.pid, signal.SIGKILL)
    await eventually(lambda: workers.restarts == 2, "two restarts", PATIENCE_S)
    assert workers.ready_workers() == []
    with pytest.raises(NoWorker):
        workers.open_leg(order("c-1"), (), lambda event: None)
    async with asyncio.timeout(2):
        await workers.stop()
    assert open_fds() == before


async def test_workers_that_do_not_come_up_in_time_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_DEADLINE_S", 0.01)
    workers = Supervisor(1, LoggingConfig(level="error"))
    with pytest.raises(NoWorker, match=r"within 0\.01 s"):
        await workers.start()
    async with asyncio.timeout(PATIENCE_S):
        await workers.stop()


async def test_a_process_that_cannot_be_started_is_tried_again_and_leaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = open_fds()
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        workers = Supervisor(1, LoggingConfig(level="error"))
        starting = asyncio.create_task(workers.start())
        await eventually(lambda: workers.restarts >= 3, "three restarts", PATIENCE_S)
        assert open_fds() == before
    await starting
    assert len(workers.ready_workers()) == 1
    await workers.stop()


async def test_a_supervisor_that_never_started_stops() -> None:
    await Supervisor(1, LoggingConfig()).stop()


@pytest.mark.parametrize("hang", [stop, turn_in_a_circle])
async def test_a_worker_that_hangs_is_killed_and_its_legs_go_on(
    circling: None, workers: Supervisor, pool: PortPool, hang: Callable[[int], None]
) -> None:
    call = Call(workers, pool, "stuck")
    await call.told(events.LegReady)
    call.leg.start(RtpParams(NOBODY))
    await call.told(events.PathBuilt)
    hung = carrying(workers, "stuck")
    hang(hung.process.pid)
    rehomed = await call.told(events.LegRehomed)
    assert (rehomed.cause, rehomed.from_worker) == ("hung", hung.number)
    await eventually(lambda: hung.process.returncode == -signal.SIGKILL, "it is killed", PATIENCE_S)
    assert carrying(workers, "stuck").number == rehomed.to_worker
    call.leg.close(EndReason.CALLER_HUNG_UP)
    assert (await call.told(events.LegEnded)).rtp["outbound"]["packets"] > 0


async def test_a_leg_is_placed_beside_the_one_that_it_is_to_be_joined_with(
    workers: Supervisor, pool: PortPool
) -> None:
    for call_id, beside in (("c-1", None), ("c-1-2", "c-1"), ("c-1-3", "c-1")):
        await Call(workers, pool, call_id, beside=beside).told(events.LegReady)
    assert sorted(len(worker.legs) for worker in workers.ready_workers()) == [0, 3]
    with pytest.raises(NoWorker):
        Call(workers, pool, "c-2-2", beside="c-2")
