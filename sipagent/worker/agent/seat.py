"""Where an agent's backend sits: one at a time, and perhaps the next, which gets ready beside it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from sipagent.backends.base import Backend, BackendEvent, BackendLost, EventHandler, SessionReady
from sipagent.backends.local import LocalBackend
from sipagent.errors import BackendError
from sipagent.worker.orders import UseBackend
from sipagent.worker.reporter import Reporter


class Newcomer:
    """A backend on its way. Until it is seated, all that counts of what it says is whether it stays."""

    def __init__(self, agent: str, backend: Backend, on_event: EventHandler) -> None:
        self.agent = agent
        self.backend = backend
        self.expires_at: float | None = None
        self.is_seated = False
        self.lost: BackendLost | None = None
        self._on_event = on_event

    async def open(self) -> None:
        """Returns when it is ready. Raises `BackendError`."""
        await self.backend.open(self._hear)

    def _hear(self, event: BackendEvent) -> None:
        match event:
            case SessionReady(expires_at=expires_at):
                self.expires_at = expires_at
            case _ if self.is_seated:
                self._on_event(event)
            case BackendLost():
                self.lost = event


class Successor(Newcomer):
    """A newcomer that is to take somebody's place."""

    def __init__(self, order: UseBackend, agent: str, backend: Backend, on_event: EventHandler) -> None:
        super().__init__(agent, backend, on_event)
        self.order = order
        self.ready_ms: float | None = None
        self.opening: asyncio.Task[None] | None = None


class Seat:
    """Events of the one who sits there go to `on_event`. When nobody does, a deaf and mute backend does.

    Whoever leaves is closed in the background. `on_change` is called when a successor is ready.
    """

    def __init__(
        self,
        agent: str,
        first: Backend,
        on_event: EventHandler,
        on_change: Callable[[float], None],
        reporter: Reporter,
    ) -> None:
        self._on_event = on_event
        self._on_change = on_change
        self._reporter = reporter
        self._sitting = Newcomer(agent, first, on_event)
        self._sitting.is_seated = True
        self.backend = first
        """Of whoever sits here."""
        self.successor: Successor | None = None
        """Who is getting ready to sit here, or ready."""
        self._leaving: set[asyncio.Task[None]] = set()
        self._counted: Counter[str] = Counter()
        self.vacant_since: float | None = None
        """When the last one was lost, if nobody sits here."""

    @property
    def expires_at(self) -> float | None:
        """When the session of whoever sits here ends by itself, in Unix time."""
        return self._sitting.expires_at

    async def open_first(self) -> None:
        """Returns when the first backend is ready. Raises `BackendError`."""
        await self._sitting.open()

    def send_for(self, order: UseBackend, agent: str, backend: Backend, now: float) -> None:
        """Get another backend ready to sit here, in the place of one that may be getting ready already."""
        self._dismiss_successor()
        successor = self.successor = Successor(order, agent, backend, self._on_event)
        successor.opening = asyncio.create_task(self._open(successor, now))

    def seat_successor(self, may_interrupt: bool, now: float) -> UseBackend | None:
        """Let the successor sit down if it is ready, and the seat is free or may be taken now.

        Returns the order that has been carried out so.
        """
        successor = self.successor
        if successor is None or successor.ready_ms is None:
            return None
        if successor.lost is not None:
            lost = successor.lost
            self._give_up(successor, lost.code, lost.message, lost.fatal, now)
            return None
        if not (may_interrupt or successor.order.at_once or self.vacant_since is not None):
            return None
        self.successor = None
        self._leave(self.backend)
        self._sitting, self.vacant_since = successor, None
        self.backend = successor.backend
        successor.is_seated = True
        self._reporter.replaced(successor.agent, successor.ready_ms, successor.expires_at, now)
        return successor.order

    def vacate(self, now: float) -> None:
        """Whoever sits here is gone."""
        gone = self._sitting
        gone.is_seated = False
        self._leave(gone.backend)
        self.backend = nobody = LocalBackend(gone.backend.input_format)
        self._sitting, self.vacant_since = Newcomer("", nobody, self._on_event), now

    def counters(self) -> dict[str, int]:
        """Those of all who sat here, added up, but for what is 0."""
        counted = self.backend.counters()
        if self._counted:
            return dict(self._counted + Counter(counted))
        return {name: count for name, count in counted.items() if count > 0}

    async def close(self) -> None:
        self._dismiss_successor()
        self._leave(self.backend)
        await asyncio.gather(*self._leaving)

    async def _open(self, successor: Successor, began: float) -> None:
        try:
            await successor.open()
        except BackendError as error:
            now = time.monotonic()
            self._give_up(successor, error.code or error.reason_code, str(error), error.fatal, now)
        else:
            now = time.monotonic()
            successor.ready_ms = (now - began) * 1000
            self._on_change(now)

    def _give_up(self, successor: Successor, code: str, message: str, fatal: bool, now: float) -> None:
        self.successor = None
        self._leave(successor.backend)
        self._reporter.not_replaced(successor.agent, code, message, fatal, now)

    def _dismiss_successor(self) -> None:
        if (successor := self.successor) is not None and successor.opening is not None:
            self.successor = None
            successor.opening.cancel()
            self._leave(successor.backend)

    def _leave(self, backend: Backend) -> None:
        self._counted.update(backend.counters())
        task = asyncio.create_task(backend.close())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
