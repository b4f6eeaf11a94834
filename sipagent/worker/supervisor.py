"""The control side of the media workers: spawn, place legs, relay, restart with back-off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rtp.session import RtpParams
from sipagent import logs
from sipagent.config import LoggingConfig
from sipagent.errors import EndReason, NoWorker
from sipagent.events import LegEnded, LegEvent, LegFailed
from sipagent.worker.ipc import (
    AudioTapped,
    Channel,
    CloseLeg,
    OpenLeg,
    PressDigit,
    SendDigits,
    StartMedia,
    ToControl,
    ToLeg,
    ToWorker,
    WorkerReady,
    WorkerReport,
)

log = logs.get_logger(__name__)

WORKER = "sipagent.worker.process"
START_DEADLINE_S = 15.0
STOP_DEADLINE_S = 5.0
#: A worker reports once a second. One that misses this many seconds carries no audio either.
HUNG_AFTER_S = 4.0
WATCH_EVERY_S = 0.5
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 30.0
STABLE_AFTER_S = 60.0

OnLegEvent = Callable[[LegEvent], None]


class LegHandle:
    """One leg, as the control process sees it."""

    def __init__(self, call_id: str, send: Callable[[ToWorker], None]) -> None:
        self.call_id = call_id
        self._send = send

    def start(self, params: RtpParams) -> None:
        """Let audio flow, or take up what a re-INVITE changed."""
        self._send(StartMedia(call_id=self.call_id, params=params))

    def press(self, digit: str, duration_ms: int = 0) -> None:
        """Tell of a key that the peer pressed, by signalling."""
        self._send(PressDigit(call_id=self.call_id, digit=digit, duration_ms=duration_ms))

    def send_digits(self, digits: str, inband: bool = False) -> None:
        """Press keys towards the peer, through RTP: as telephone events if it takes them, else as tones."""
        self._send(SendDigits(call_id=self.call_id, digits=digits, inband=inband))

    def tell(self, message: ToLeg) -> None:
        """Send one of `worker.ipc`'s messages to a leg."""
        self._send(message)

    def close(self, reason: str) -> None:
        self._send(CloseLeg(call_id=self.call_id, reason=reason))


@dataclass(eq=False)
class WorkerProcess:
    """A running worker and the legs it carries."""

    number: int
    process: subprocess.Popen[bytes]
    channel: Channel | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    report: WorkerReport | None = None
    cpu_share: float | None = None
    heard_at: float = field(default_factory=time.monotonic)
    legs: dict[str, OnLegEvent] = field(default_factory=dict)

    def take(self, report: WorkerReport, now: float) -> None:
        """Take in a report, and what share of a core the worker has used since the one before."""
        before, elapsed_s = self.report, now - self.heard_at
        if before is not None and elapsed_s > 0:
            self.cpu_share = min(1.0, max(0.0, (report.cpu_s - before.cpu_s) / elapsed_s))
        self.report, self.heard_at = report, now


class Supervisor:
    """Keeps `count` workers alive and spreads legs over them.

    When a worker dies, or hangs and is killed, each of its legs gets `LegEnded(worker_lost)`, so that every
    call still ends exactly once; it is started again after a back-off that doubles while it keeps dying.
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
        self.restarts = 0
        #: When each worker last said anything, by its number (CLOCK_MONOTONIC). It outlives the process.
        self.last_heard: dict[int, float] = {}

    async def start(self) -> None:
        """Start all workers; returns when every one is ready. Raises NoWorker if one doesn't come up."""
        self._tasks = [asyncio.create_task(self._keep_alive(number)) for number in range(self._count)]
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

    def ready_workers(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers.values() if worker.ready.is_set()]

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
        workers = [each for each in self.ready_workers() if beside is None or beside in each.legs]
        if not workers:
            raise NoWorker("no media worker is running")
        worker = min(workers, key=lambda each: len(each.legs))
        assert worker.channel is not None
        worker.channel.send(order, [sock.fileno() for sock in sockets])
        worker.legs[order.call_id] = on_event
        return LegHandle(order.call_id, worker.channel.send)

    async def _keep_alive(self, number: int) -> None:
        backoff_s = BACKOFF_FIRST_S
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._live(number)
            if self._stopping.is_set():
                return
            lived_s = time.monotonic() - began
            backoff_s = BACKOFF_FIRST_S if lived_s > STABLE_AFTER_S else min(backoff_s * 2, BACKOFF_MAX_S)
            self.restarts += 1
            log.error(
                "worker_died", worker=number, status=status, lived_s=round(lived_s, 1), retry_s=backoff_s
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff_s):
                    await self._stopping.wait()

    async def _live(self, number: int) -> int | str:
        """The life of one worker process. Returns its exit status, or why it could not be started."""
        try:
            worker = self._spawn(number)
        except OSError as error:
            return str(error)
        await self._until_gone(worker)
        status = await self._reap(worker)
        self._end_legs(worker)
        return status

    async def _until_gone(self, worker: WorkerProcess) -> None:
        """Returns when the worker has closed its channel. One that has stopped reporting is killed."""
        while not worker.gone.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_EVERY_S):
                    await worker.gone.wait()
            silent_s = time.monotonic() - worker.heard_at
            if silent_s > (HUNG_AFTER_S if worker.ready.is_set() else START_DEADLINE_S):
                log.error("worker_hung", worker=worker.number, silent_s=round(silent_s, 1))
                worker.process.kill()
                await worker.gone.wait()

    def _spawn(self, number: int) -> WorkerProcess:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER, str(theirs.fileno()), str(number), self._logging],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = WorkerProcess(number, process)
        self._workers[number] = worker
        worker.channel = Channel(ours, ToControl, partial(self._receive, worker), worker.gone.set)
        return worker

    async def _reap(self, worker: WorkerProcess) -> int:
        worker.ready.clear()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, worker.process.wait, STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            return await loop.run_in_executor(None, worker.process.wait)

    def _receive(self, worker: WorkerProcess, message: ToControl, fds: list[int]) -> None:
        self.last_heard[worker.number] = time.monotonic()
        for fd in fds:
            os.close(fd)
        match message:
            case WorkerReady():
                worker.heard_at = time.monotonic()
                worker.ready.set()
                if len(self.ready_workers()) == self._count:
                    self._all_ready.set()
            case WorkerReport():
                worker.take(message, time.monotonic())
            case AudioTapped():
                self._on_audio(message)
            case LegEnded() | LegFailed():
                on_event = worker.legs.pop(message.call_id, None)
                if on_event is not None:
                    on_event(message)
            case _:
                on_event = worker.legs.get(message.call_id)
                if on_event is not None:
                    on_event(message)

    def _end_legs(self, worker: WorkerProcess) -> None:
        legs, worker.legs = worker.legs, {}
        for call_id, on_event in legs.items():
            on_event(LegEnded(call_id=call_id, at=time.monotonic(), reason=EndReason.WORKER_LOST))
