"""The control side of the media workers: spawn, watch, restart with back-off; legs are the `housing`'s."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Literal

from sipagent import logs
from sipagent.config import LoggingConfig
from sipagent.errors import NoWorker
from sipagent.worker.control.child import WorkerProcess, spawn
from sipagent.worker.control.handle import LegHandle, Loss, OnLegEvent
from sipagent.worker.control.housing import Housing
from sipagent.worker.control.vigil import LOOK_EVERY_S, Vigil
from sipagent.worker.orders import OpenLeg
from sipagent.worker.reports import AudioTapped, Beat, ToControl, WorkerReady, WorkerReport

log = logs.get_logger(__name__)

START_DEADLINE_S = 40.0
STOP_DEADLINE_S = 5.0
#: How long a worker that was killed may take to be gone: one that waits for a disk does not go at once.
KILL_DEADLINE_S = 0.3
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.1, 30.0
STABLE_AFTER_S = 60.0
#: Workers that die so often in a row are in a crash loop.
CRASH_LOOP = 3


class Supervisor:
    """Keeps `count` workers alive and spreads legs over them; one more stands by.

    When a worker dies, or hangs and is killed, the one that stands by takes its place, and its legs go on
    there (see `housing`); it is started again after a back-off that doubles while it keeps dying, and then
    stands by itself. So those that carry calls are not held up by the calls of others.
    """

    def __init__(
        self,
        count: int,
        logging: LoggingConfig,
        on_audio: Callable[[AudioTapped], None] = lambda audio: None,
    ) -> None:
        self._count = count
        self._logging = logging.model_dump_json()
        self._on_audio = on_audio
        self._workers: dict[int, WorkerProcess] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._all_ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._housing = Housing(self.ready_workers)
        self._deaths: dict[int, tuple[int, float]] = {}
        self.restarts = 0
        #: When each worker last said anything, by its number (CLOCK_MONOTONIC). It outlives the process.
        self.last_heard: dict[int, float] = {}

    async def start(self) -> None:
        """Start all workers; returns when every one is ready. Raises NoWorker if one doesn't come up."""
        seats = range(self._count + 1)
        self._tasks = [asyncio.create_task(self._keep_alive(number)) for number in seats]
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                await self._all_ready.wait()
        except TimeoutError:
            raise NoWorker(f"not all media workers came up within {START_DEADLINE_S:g} s") from None

    async def stop(self) -> None:
        """End all workers: they see their channel close, finish their recordings and exit."""
        self._stopping.set()
        for worker in self._workers.values():
            if worker.channel is not None:
                worker.channel.close()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._housing.close()

    def ready_workers(self) -> list[WorkerProcess]:
        """Those that may carry legs: the last to come up stands by, if all are up."""
        ready = [worker for worker in self._workers.values() if worker.ready.is_set()]
        return sorted(ready, key=lambda each: (each.ready_at, each.number))[: self._count]

    @property
    def up(self) -> int:
        """How many workers are up, the one that stands by included."""
        return sum(worker.ready.is_set() for worker in self._workers.values())

    def crash_loops(self) -> int:
        """How many workers die again and again without having lived for long."""
        since = time.monotonic() - STABLE_AFTER_S
        return sum(deaths >= CRASH_LOOP and at > since for deaths, at in self._deaths.values())

    def reports(self) -> dict[int, WorkerReport]:
        return {worker.number: worker.report for worker in self.ready_workers() if worker.report}

    def cpu_share(self) -> float | None:
        """The share of the workers' time that is taken, 0 to 1; None before they have reported twice."""
        shares = [worker.cpu_share for worker in self.ready_workers()]
        known = [share for share in shares if share is not None]
        return sum(known) / len(known) if known else None

    def open_leg(
        self,
        order: OpenLeg,
        sockets: tuple[socket.socket, ...],
        on_event: OnLegEvent,
        *,
        beside: str | None = None,
    ) -> LegHandle:
        """Place a leg on the worker with the fewest, or `beside` another call's, so that they can be joined.

        Raises NoWorker, or OSError without file descriptors.
        """
        return self._housing.open_leg(order, sockets, on_event, beside)

    async def _keep_alive(self, number: int) -> None:
        backoff_s = BACKOFF_FIRST_S
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._live(number)
            if self._stopping.is_set():
                return
            now = time.monotonic()
            lived_s = now - began
            deaths, _ = self._deaths.get(number, (0, 0.0))
            if lived_s > STABLE_AFTER_S:
                deaths, backoff_s = 0, BACKOFF_FIRST_S
            self._deaths[number] = deaths + 1, now
            self.restarts += 1
            log.error(
                "worker_died", worker=number, status=status, lived_s=round(lived_s, 1), retry_s=backoff_s
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff_s):
                    await self._stopping.wait()
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    async def _live(self, number: int) -> int | str:
        """The life of one worker process. Returns its exit status, or why it could not be started."""
        try:
            worker = spawn(number, self._logging, self._receive)
        except OSError as error:
            return str(error)
        self._workers[number] = worker
        log.info("worker_started", worker=number, pid=worker.process.pid)
        loss = await self._until_lost(worker)
        worker.ready.clear()
        if self._stopping.is_set():
            self._housing.abandon(worker)
        else:
            self._housing.lost(worker, loss)
        return await self._reap(worker)

    async def _until_lost(self, worker: WorkerProcess) -> Loss:
        """Returns when the worker carries no audio any more, nor ever will: when two of them used the same
        sockets, peers would hear both."""
        cause: Literal["died", "hung"] = "died"
        vigil: Vigil | None = None
        while not worker.gone.is_set() and cause == "died":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await worker.gone.wait()
            if vigil is None and worker.ready.is_set():
                vigil = Vigil(time.monotonic())
            if not worker.gone.is_set() and self._is_hung(worker, vigil, time.monotonic()):
                cause = "hung"
        lost_at = time.monotonic() if cause == "died" else worker.heard_at
        if not self._stopping.is_set():
            await self._make_sure(worker)
        return Loss(lost_at, cause, worker.number)

    def _is_hung(self, worker: WorkerProcess, vigil: Vigil | None, now: float) -> bool:
        silent_s = now - worker.heard_at
        if vigil is None:
            hangs = silent_s > START_DEADLINE_S
        else:
            hangs = vigil.is_hung(worker.heard_at, worker.doing, now)
        if hangs:
            doing = worker.doing()
            log.error("worker_hung", worker=worker.number, silent_s=round(silent_s, 2), state=doing.state)
        return hangs

    async def _make_sure(self, worker: WorkerProcess) -> None:
        """Kill what may still live: it does nothing more of its own from then on."""
        if worker.process.poll() is None:
            worker.process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_DEADLINE_S):
                await worker.gone.wait()

    async def _reap(self, worker: WorkerProcess) -> int:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, worker.process.wait, STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            return await loop.run_in_executor(None, worker.process.wait)

    def _receive(self, worker: WorkerProcess, message: ToControl, fds: list[int]) -> None:
        now = time.monotonic()
        worker.heard_at = self.last_heard[worker.number] = now
        for fd in fds:
            os.close(fd)
        match message:
            case WorkerReady():
                log.info("worker_ready", worker=worker.number, is_compiled=message.is_compiled)
                self._came_up(worker, now)
            case Beat():
                pass
            case WorkerReport():
                worker.take(message, now)
            case AudioTapped():
                self._on_audio(message)
            case _:
                self._housing.hear(worker, message)

    def _came_up(self, worker: WorkerProcess, now: float) -> None:
        """At the start all come up as one; later each stands behind those that are up."""
        worker.ready_at = now if self._all_ready.is_set() else 0.0
        worker.ready.set()
        up = {each.number for each in self._workers.values() if each.ready.is_set()}
        if len(up) > self._count:
            self._all_ready.set()
        self._housing.house_homeless()
