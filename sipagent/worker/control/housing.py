"""Which worker carries which leg, and where legs go when theirs is lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from socket import socket

from sipagent import logs
from sipagent.errors import EndReason, NoWorker
from sipagent.events import LegEvent
from sipagent.worker.control.child import WorkerProcess
from sipagent.worker.control.handle import LegHandle, Loss, OnLegEvent
from sipagent.worker.orders import OpenLeg
from sipagent.worker.reports import LegSnapshot, LegTaken

log = logs.get_logger(__name__)

#: How long a call may be without a worker, until one is back.
HOMELESS_S = 10.0


class Housing:
    """`workers` are those that may carry legs now. Legs of one group are always on the same one."""

    def __init__(self, workers: Callable[[], list[WorkerProcess]]) -> None:
        self._workers = workers
        self._homeless: dict[LegHandle, asyncio.TimerHandle] = {}

    def open_leg(
        self,
        order: OpenLeg,
        sockets: tuple[socket, ...],
        on_event: OnLegEvent,
        beside: str | None,
    ) -> LegHandle:
        """See `Supervisor.open_leg`."""
        workers = [each for each in self._workers() if beside is None or beside in each.legs]
        if not workers:
            raise NoWorker("no media worker is running")
        worker = least_loaded(workers)
        group = order.call_id if beside is None else worker.legs[beside].group
        leg = LegHandle(order, sockets, on_event, group)
        assert worker.channel is not None
        worker.channel.send(order, [sock.fileno() for sock in sockets])
        self._settle(leg, worker)
        return leg

    def hear(self, worker: WorkerProcess, event: LegEvent | LegSnapshot | LegTaken) -> None:
        """A worker tells something of a leg."""
        leg = worker.legs.get(event.call_id)
        if leg is not None:
            leg.hear(event)
            if leg.is_over:
                del worker.legs[leg.call_id]

    def lost(self, worker: WorkerProcess, loss: Loss) -> None:
        """A worker is no more, and nothing of it can send any more: its legs go to others."""
        legs, worker.legs = [*worker.legs.values()], {}
        for leg in legs:
            leg.lose(loss)
            if not leg.may_be_rehomed:
                log.error("leg_not_rehomed", call_id=leg.call_id)
                leg.end(EndReason.WORKER_LOST, "it has lost worker after worker")
        self._house(leg for leg in legs if not leg.is_over)

    def house_homeless(self) -> None:
        """A worker has come up."""
        waiting, self._homeless = self._homeless, {}
        for timer in waiting.values():
            timer.cancel()
        self._house(leg for leg in waiting if not leg.is_over)

    def abandon(self, worker: WorkerProcess) -> None:
        """The server ends, and with it a worker."""
        for leg in worker.legs.values():
            leg.end(EndReason.WORKER_LOST)
        worker.legs.clear()

    def close(self) -> None:
        """No worker will come up any more."""
        for leg, timer in self._homeless.items():
            timer.cancel()
            leg.end(EndReason.WORKER_LOST)
        self._homeless.clear()

    def _house(self, legs: Iterable[LegHandle]) -> None:
        groups: defaultdict[str, list[LegHandle]] = defaultdict(list)
        for leg in legs:
            groups[leg.group].append(leg)
        for group in groups.values():
            if workers := self._workers():
                self._rehome(group, least_loaded(workers))
            else:
                self._wait(group)

    def _rehome(self, legs: list[LegHandle], worker: WorkerProcess) -> None:
        """Make legs anew in another worker. Audio flows in all before any is joined with another."""
        assert worker.channel is not None
        send = worker.channel.send
        for leg in tuple(legs):
            try:
                send(leg.standing.order_anew(leg.lost_at), [sock.fileno() for sock in leg.sockets])
            except OSError as error:
                legs.remove(leg)
                leg.end(EndReason.WORKER_LOST, str(error))
                continue
            self._settle(leg, worker)
            for message in leg.standing.media_anew():
                send(message)
        for leg in legs:
            for message in leg.standing.told_anew(leg.lost_at):
                send(message)

    def _settle(self, leg: LegHandle, worker: WorkerProcess) -> None:
        assert worker.channel is not None
        worker.legs[leg.call_id] = leg
        leg.settle(worker.number, worker.channel.send)

    def _wait(self, legs: list[LegHandle]) -> None:
        loop = asyncio.get_running_loop()
        for leg in legs:
            self._homeless[leg] = loop.call_later(HOMELESS_S, self._give_up, leg)

    def _give_up(self, leg: LegHandle) -> None:
        del self._homeless[leg]
        leg.end(EndReason.WORKER_LOST, f"no worker came up within {HOMELESS_S:g} s")


def least_loaded(workers: list[WorkerProcess]) -> WorkerProcess:
    return min(workers, key=lambda each: len(each.legs))
