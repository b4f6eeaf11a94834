"""The webhooks of a server: events and finished records go into the outbox, couriers deliver from there.

The last messages of a call are made from its record in the spool, together with how far the spool was read.
So there is one `call.ended` for each record, whenever the process dies; what a crash may cost are events that
happened in its last moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from sipagent import events, logs
from sipagent.call_log.tail import Batch, new_records, spool_files
from sipagent.config import Config, RedactionConfig, WebhookConfig
from sipagent.errors import ConfigError
from sipagent.metrics import Metrics
from sipagent.outbound.dial import Dial
from sipagent.webhooks.courier import Courier
from sipagent.webhooks.messages import TRUNK_STATE, Message, Story, of_dial, of_record, of_trunk, wants
from sipagent.webhooks.outbox import Backlog, Outbox
from sipagent.webhooks.schedule import GIVE_UP_AFTER_S

log = logs.get_logger(__name__)

T = TypeVar("T")

#: How often the spool is looked at, and how long events may wait to be written together.
LOOK_EVERY_S, GATHER_S = 0.5, 0.02
RETRY_S = 1.0
MEASURE_EVERY_S = 5.0
#: Events that wait in memory while the disk refuses; then the oldest are dropped and counted.
MOST_PENDING = 10_000
#: How long a stopping server goes on delivering what is due.
GOODBYE_S = 3.0


class Webhooks:
    """Started before the first call, stopped after the last record. Without endpoints it does nothing."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._endpoints = config.webhooks
        self._stories: dict[str, Story] = {}
        self._pending: list[tuple[str, Message]] = []
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self._positions: dict[str, int] = {}
        self._couriers: dict[str, Courier] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._thread: ThreadPoolExecutor | None = None
        self._outbox: Outbox

    async def open(self) -> None:
        """Call it before a crash's records are recovered: a new outbox tells of records from here on.

        Raises `ConfigError` for a secret that can't be used.
        """
        if not self._endpoints:
            return
        self._thread = ThreadPoolExecutor(1, "webhooks")
        try:
            self._outbox = await self._on_thread(self._open)
            for endpoint in self._endpoints:
                courier = Courier(endpoint, self._outbox, self._on_thread, self._metrics)
                self._couriers[endpoint.name] = courier
        except ConfigError:
            self._thread.shutdown()
            self._thread = None
            raise

    def start(self) -> None:
        """Deliver from now on."""
        if self._thread is not None:
            runs = [self._write(), self._measure(), *(each.run() for each in self._couriers.values())]
            self._tasks = [asyncio.create_task(run, name="webhooks") for run in runs]
            for task in self._tasks:
                task.add_done_callback(_tell_defect)

    async def stop(self) -> None:
        """Call it when the spool is closed. What is due still goes out, within `GOODBYE_S`."""
        if self._thread is None:
            return
        if self._tasks:
            await self._finish()
        await self._on_thread(self._outbox.close)
        self._thread.shutdown()
        self._thread = None

    def take(self, event: events.Event) -> None:
        """One event of one call, the first of which is a `CallBegun`."""
        if self._thread is None:
            return
        if isinstance(event, events.CallBegun):
            self._stories[event.call_id] = Story(event, time.time(), self._config.redact)
        story = self._stories.get(event.call_id)
        if story is not None:
            self._put(story.messages(event, self._endpoints))
        if isinstance(event, events.CallEnded):
            self._stories.pop(event.call_id, None)

    def take_trunk(self, event: events.TrunkStateChanged) -> None:
        if self._thread is not None:
            message = of_trunk(event, time.time())
            self._put((each.name, message) for each in self._endpoints if wants(each, TRUNK_STATE))

    def take_dial(self, dial: Dial) -> None:
        """A dial that is over."""
        if self._thread is None:
            return
        now, policy = time.time(), self._config.redact
        for endpoint in self._endpoints:
            masks = RedactionConfig(caller_numbers="mask") if endpoint.numbers == "mask" else policy
            message = of_dial(dial, now, masks)
            if wants(endpoint, message.type):
                self._put([(endpoint.name, message)])

    def _put(self, told: Iterable[tuple[str, Message]]) -> None:
        before = len(self._pending)
        self._pending += told
        if surplus := len(self._pending) - MOST_PENDING:
            self._drop(surplus)
        if len(self._pending) > before:
            self._news.set()

    def _drop(self, surplus: int) -> None:
        for endpoint, _ in self._pending[: max(surplus, 0)]:
            self._metrics.count_webhook(endpoint, "dropped")
        del self._pending[: max(surplus, 0)]

    async def _finish(self) -> None:
        self._stopping.set()
        self._news.set()
        writer, *others = self._tasks
        await asyncio.wait([writer])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(*(courier.drained() for courier in self._couriers.values()))
        for task in others:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the writer ---------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Bring what comes into the outbox, until told to stop; then once more."""
        is_last = is_failing = False
        while not is_last:
            is_last = self._stopping.is_set()
            self._news.clear()
            try:
                await self._pass()
                is_failing, pause_s = False, LOOK_EVERY_S
            except (DBAPIError, OSError) as error:
                if not is_failing:
                    log.error("webhook_outbox_failed", error=str(error))
                is_failing, pause_s = True, RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if is_last else pause_s):
                    await (self._stopping if is_failing else self._news).wait()
                    await asyncio.sleep(GATHER_S)

    async def _pass(self) -> None:
        """Records are read first: when one is there, all events of its call have come in before."""
        batches: list[Batch] = await self._on_thread(self._read_spool)
        told, self._pending = self._pending, []
        last = [(each.name, message) for each in self._endpoints for message in self._of(batches, each)]
        read_to = {batch.file: batch.position for batch in batches}
        if told or read_to:
            try:
                await self._on_thread(lambda: self._outbox.add(time.time(), [*told, *last], read_to))
            except DBAPIError:
                self._pending[:0] = told
                raise
            self._positions |= read_to
        for endpoint in {name for name, _ in (*told, *last)}:
            self._couriers[endpoint].wake()

    def _of(self, batches: Sequence[Batch], endpoint: WebhookConfig) -> list[Message]:
        now = time.time()
        records = [record for batch in batches for record in batch.records if _is_recent(record, now)]
        return [message for record in records for message in of_record(record, endpoint)]

    # --- on the outbox's thread -----------------------------------------------------------------------

    def _open(self) -> Outbox:
        try:
            outbox = Outbox(self._config.storage.webhooks_outbox)
        except (DBAPIError, OSError) as error:
            log.error("webhook_outbox_in_memory", error=str(error))
            outbox = Outbox(None)
        spool = self._config.storage.spool
        files = {path.name: path.stat().st_size for path in spool_files(spool)}
        if outbox.is_new:
            outbox.add(time.time(), [], files)
        outbox.forget_files(set(files))
        self._positions = outbox.read_to()
        gone = outbox.gone_urls()
        for endpoint in self._endpoints:
            if endpoint.name in gone and gone[endpoint.name] != endpoint.url:
                outbox.retry(endpoint.name, time.time())
        outbox.release(time.time())
        return outbox

    def _read_spool(self) -> list[Batch]:
        return list(new_records(self._config.storage.spool, self._positions))

    def _backlogs(self) -> Mapping[str, tuple[Backlog, int]]:
        return {
            each.name: (
                self._outbox.backlog(each.name),
                self._outbox.trim(each.name, each.max_backlog, time.time()),
            )
            for each in self._endpoints
        }

    async def _measure(self) -> None:
        while True:
            try:
                backlogs = await self._on_thread(self._backlogs)
            except DBAPIError:
                log.debug("webhook_backlog_unknown")  # the writer says what is wrong with the disk
            else:
                for endpoint, (backlog, dropped) in backlogs.items():
                    oldest = backlog.oldest_at
                    lag_s = 0.0 if oldest is None else max(0.0, time.time() - oldest)
                    self._metrics.observe_webhooks(endpoint, backlog.messages, lag_s)
                    self._metrics.count_webhook(endpoint, "dropped", dropped)
            await asyncio.sleep(MEASURE_EVERY_S)

    async def _on_thread(self, job: Callable[[], T]) -> T:
        assert self._thread is not None
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)


def _tell_defect(task: asyncio.Task[None]) -> None:
    """These tasks run until the server stops."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("webhooks_crashed", error=repr(error), exc_info=error)


def _is_recent(record: Mapping[str, Any], now: float) -> bool:
    """Of calls that ended before messages would be given up, nobody is told any more."""
    try:
        ended = datetime.fromisoformat(str(record.get("ended_at"))).timestamp()
    except ValueError:
        return False
    return isinstance(record.get("call_id"), str) and now - ended < GIVE_UP_AFTER_S
