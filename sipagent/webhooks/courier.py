"""Delivers what waits in the outbox for one endpoint, so that a slow or dead one delays no other."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from sipagent import logs
from sipagent.config import WebhookConfig
from sipagent.metrics import Metrics
from sipagent.webhooks.outbox import Outbox, Waiting
from sipagent.webhooks.schedule import Answer, Verdict, judge, retry_in_s
from sipagent.webhooks.sender import Sender

log = logs.get_logger(__name__)

T = TypeVar("T")
#: Runs a method of the outbox on the outbox's own thread.
OnThread = Callable[..., Awaitable[Any]]

#: `sipagent webhooks retry` makes messages due in the outbox of a running server: so it looks now and then.
LOOK_EVERY_S = 2.0
#: A message that was on its way when the outbox failed is tried again after so long.
LEASE_S = 120.0


class Courier:
    """Runs until it is cancelled. No more than `max_concurrent` messages are on their way at once."""

    def __init__(
        self, endpoint: WebhookConfig, outbox: Outbox, on_thread: OnThread, metrics: Metrics
    ) -> None:
        """Raises `ConfigError` for a secret that can't be used."""
        self._endpoint = endpoint
        self._outbox = outbox
        self._on_thread = on_thread
        self._metrics = metrics
        self._sender = Sender(endpoint)
        self._on_way: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._is_failing = False

    def wake(self) -> None:
        """Something has come into the outbox."""
        self._news.set()

    async def run(self) -> None:
        try:
            while True:
                self._news.clear()
                due_in_s = await self._send_due()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(due_in_s):
                        await self._news.wait()
        finally:
            for task in self._on_way:
                task.cancel()
            await asyncio.gather(*self._on_way, return_exceptions=True)
            await self._sender.close()

    async def drained(self) -> None:
        """Returns when nothing is due or on its way: what is left waits for a later attempt."""
        while self._on_way or await self._send_due() <= 0:
            if self._on_way:
                await asyncio.wait(self._on_way, return_when=asyncio.FIRST_COMPLETED)

    async def _send_due(self) -> float:
        """Set what is due on its way; returns after how many seconds to look again."""
        free = self._endpoint.max_concurrent - len(self._on_way)
        if free <= 0:
            return LOOK_EVERY_S
        nothing: tuple[list[Waiting], float | None] = [], None
        due, next_at = await self._try(partial(self._lease, free), nothing)
        for waiting in due:
            task = asyncio.create_task(self._deliver(waiting), name=f"webhook {self._endpoint.name}")
            self._on_way.add(task)
            task.add_done_callback(self._landed)
        if next_at is None or len(due) == free:
            return LOOK_EVERY_S
        return min(max(next_at - time.time(), 0.0), LOOK_EVERY_S)

    def _lease(self, most: int) -> tuple[list[Waiting], float | None]:
        now = time.time()
        due = self._outbox.lease(self._endpoint.name, now, most, now + LEASE_S)
        return due, self._outbox.next_due(self._endpoint.name)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._on_way.discard(task)
        self._news.set()

    async def _deliver(self, waiting: Waiting) -> None:
        now = time.time()
        answer = await self._sender.send(waiting.message, now)
        verdict = judge(answer, now - waiting.created_at)
        self._metrics.count_webhook(self._endpoint.name, verdict)
        self._log(waiting, answer, verdict)
        await self._try(partial(self._settle, waiting, answer, verdict), None)

    def _settle(self, waiting: Waiting, answer: Answer, verdict: Verdict) -> None:
        now = time.time()
        match verdict:
            case Verdict.FAILED:
                due_in_s = retry_in_s(waiting.attempts + 1, answer, random.random())
                self._outbox.postpone(waiting, now + due_in_s, answer.detail)
            case Verdict.GONE:
                self._outbox.mark_gone(self._endpoint.name, self._endpoint.url)
            case _:
                self._outbox.remove(self._endpoint.name, waiting, now)

    def _log(self, waiting: Waiting, answer: Answer, verdict: Verdict) -> None:
        message = waiting.message
        what = {"endpoint": self._endpoint.name, "message_id": message.message_id, "type": message.type}
        if verdict is Verdict.DELIVERED:
            log.debug("webhook_delivered", **what, attempts=waiting.attempts + 1)
        elif verdict is Verdict.FAILED:
            log.warning("webhook_failed", **what, attempts=waiting.attempts + 1, answer=answer.detail)
        else:
            log.error("webhook_given_up", **what, why=verdict, answer=answer.detail)

    async def _try(self, job: Callable[[], T], otherwise: T) -> T:
        """Do something with the outbox. A disk that refuses is told once, and asked again by and by."""
        try:
            done: T = await self._on_thread(job)
        except DBAPIError as error:
            if not self._is_failing:
                log.error("webhook_outbox_failed", endpoint=self._endpoint.name, error=str(error.orig))
            self._is_failing = True
            return otherwise
        self._is_failing = False
        return done
