"""The dial desk: takes dials, places their calls when there is room, and hears what becomes of them.

Nobody relies on what was not saved: a dial is in the store before its client is told that it was taken, an
attempt before its call is placed. So a crash loses no dial, and nobody is called twice for one attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Callable, Sequence
from math import ceil, inf
from typing import Protocol

from sipagent import events, logs
from sipagent.call.current import CurrentConfig
from sipagent.call.origination import Origination, Refused
from sipagent.config import Config, RedactionConfig
from sipagent.errors import ReasonCode
from sipagent.metrics import Metrics
from sipagent.outbound import placing, retrying
from sipagent.outbound.archive import Archive, StoreFailed
from sipagent.outbound.dial import CancelAsked, Dial, Placed, State, Wish, after
from sipagent.outbound.dispatch import Dispatch, NoRoom
from sipagent.outbound.intake import Asked, Refusal, Sees, wish_of
from sipagent.outbound.keeper import Keeper
from sipagent.outbound.store import Count, Filter, Store
from sipagent.outbound.windows import DAY_S

log = logs.get_logger(__name__)

#: How long the desk sleeps at most: a reload may have made room, and a disk that refused may not any more.
LONGEST_SLEEP_S = 2.0


class Calls(Protocol):
    """The server, as far as its desk knows it."""

    def originate(self, origination: Origination) -> str:
        """Place a call, whose id is returned at once. Raises `call.origination.Refused`."""

    def hang_up(self, call_id: str) -> None:
        """End a call, if it is on."""


class Desk:
    """Opened before the first call, stopped after the last. `tell` gets every dial that is over."""

    def __init__(
        self,
        current: CurrentConfig,
        calls: Calls,
        metrics: Metrics,
        tell: Callable[[Dial], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._current = current
        self._calls = calls
        self._metrics = metrics
        self._clock = clock
        self._dispatch = Dispatch({token.name: token.caps for token in current.config.api.tokens})
        self._news = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None
        self._archive = Archive()
        self._keeper = Keeper(self._dispatch, self._archive, metrics, tell)

    @property
    def _config(self) -> Config:
        return self._current.config

    @property
    def redact(self) -> RedactionConfig:
        """How dials are to be shown."""
        return self._config.redact

    # --- its life -----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take up what an earlier process left, and place calls from now on.

        Where the disk refuses no dials are taken: none could be kept.
        """
        try:
            await self._recover()
        except StoreFailed as failed:
            log.error("dial_store_unavailable", error=str(failed))
            return
        self._task = asyncio.create_task(self._run(), name="dials")
        self._task.add_done_callback(_tell_defect)

    async def _recover(self) -> None:
        now, config, archive = self._clock(), self._config, self._archive
        await archive.open(config.storage.dials_database)
        for placement in await archive.do(lambda store: store.placements(now - DAY_S)):
            self._dispatch.recall(*placement)
        self._dispatch.paused = frozenset(await archive.do(Store.paused))
        for dial in await archive.do(Store.unfinished):
            self._dispatch.recover(dial, config, now, random.random())

    async def stop(self) -> None:
        """When no call is on any more. Dials that wait are found by the next process."""
        self._is_stopping = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._archive.close()

    # --- what is asked of it ------------------------------------------------------------------------

    def wish(self, asked: Asked, key: str, sees: Sees) -> Wish:
        """What a token asks for, which may use the trunks that it `sees`. Raises `Refusal`."""
        try:
            return wish_of(asked, self._config, key, sees, self._clock())
        except Refusal as refusal:
            self._metrics.count_dial_refused(refusal.rule)
            log.warning("dial_refused", key=key, rule=refusal.rule, detail=refusal.detail)
            raise

    async def take(self, wishes: Sequence[Wish], key: str, *, at_once: bool) -> list[Dial]:
        """Keep dials of one token: all or none. Raises `NoRoom`.

        With `at_once` the token must have room to call all of them now; otherwise they may wait for it.
        """
        async with self._one_at_a_time:
            try:
                taken = await self._take(wishes, key, at_once=at_once)
            except NoRoom as full:
                self._metrics.count_dial_refused(full.rule)
                log.warning("dial_refused", key=key, rule=full.rule, detail=full.detail)
                raise
        self._news.set()
        return taken

    async def _take(self, wishes: Sequence[Wish], key: str, *, at_once: bool) -> list[Dial]:
        now = self._clock()
        self._dispatch.make_sure_of_room(key, len(wishes), self._config, now, at_once=at_once)
        taken = [self._new(wish, now) for wish in wishes]
        try:
            await self._archive.do(lambda store: store.save(taken))
        except StoreFailed as failed:
            log.error("dials_not_saved", dials=len(taken), error=str(failed))
            raise NoRoom("dial_store_failed", "it could not be kept", ceil(LONGEST_SLEEP_S)) from None
        for dial in taken:
            self._dispatch.ledger.put(dial)
        return taken

    async def cancel(self, dial_id: str) -> Dial | None:
        """Give it up, also while it rings; None if there is none. Raises `IllegalMove` once answered."""
        async with self._one_at_a_time:
            now = self._clock()
            dial = self._dispatch.ledger.get(dial_id)
            if dial is None:
                over = await self.get(dial_id)
                return None if over is None else after(over, CancelAsked(now))
            cancelled = self._dispatch.move(dial, CancelAsked(now))
            if cancelled.state is State.CANCELLING and cancelled.last.call_id is not None:
                self._calls.hang_up(cancelled.last.call_id)
            await self._keeper.save_changed()
            return cancelled

    async def get(self, dial_id: str) -> Dial | None:
        found = self._dispatch.get(dial_id) or self._keeper.unsaved(dial_id)
        return found or await self._archive.do(lambda store: store.get(dial_id))

    async def find(self, which: Filter, most: int, before: str | None = None) -> Sequence[Dial]:
        """The newest first, as they stand in the store."""
        return await self._archive.do(lambda store: store.find(which, most, before))

    async def counts(self, which: Filter) -> list[Count]:
        return await self._archive.do(lambda store: store.counts(which))

    async def pause(self, campaign: str, is_paused: bool) -> None:
        """Calls of the campaign that are on go on; no others are placed while it is paused."""
        await self._archive.do(lambda store: store.pause(campaign, is_paused))
        others = self._dispatch.paused - {campaign}
        self._dispatch.paused = others | {campaign} if is_paused else others
        self._news.set()

    def is_paused(self, campaign: str) -> bool:
        return campaign in self._dispatch.paused

    def observe(self, event: events.Event) -> None:
        """Every event of every call passes here."""
        if self._dispatch.hear(event, self._config, self._clock(), random.random()):
            self._news.set()

    def _new(self, wish: Wish, now: float) -> Dial:
        calendars = self._config.routes.calendars
        due_at = retrying.allowed_from(wish.retry, max(wish.not_before, now), calendars)
        return Dial(
            dial_id=uuid.uuid4().hex,
            wish=wish,
            created_at=now,
            due_at=wish.expires_at if due_at is None else due_at,
        )

    # --- its task -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            is_last = self._is_stopping
            self._news.clear()
            async with self._one_at_a_time:
                ask_at = inf if is_last else await self._place_all()
                await self._keeper.save_changed()
                await self._keeper.tidy(self._clock(), self._config.outbound.keep_days)
            if is_last:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(ask_at - self._clock(), 0.0), LONGEST_SLEEP_S)):
                    await self._news.wait()

    async def _place_all(self) -> float:
        """Place what may be placed now; when to ask again."""
        while True:
            now = self._clock()
            picked = self._dispatch.pick(self._config, now)
            if picked.dial is None or self._is_stopping:
                return picked.ask_at
            await self._place(picked.dial, now)

    async def _place(self, dial: Dial, now: float) -> None:
        """Save that an attempt begins; then place its call."""
        try:
            caller = await self._caller_for(dial.wish, now)
            if caller is None and dial.wish.pool is not None:
                return
            begun = after(dial, Placed(now, caller))
            await self._archive.do(lambda store: store.save([begun]))
        except StoreFailed as failed:
            log.error("dial_not_saved", dial_id=dial.dial_id, error=str(failed))
            self._dispatch.hold_everything(now)
            return
        self._dispatch.begin(begun)
        self._originate(begun, now)

    async def _caller_for(self, wish: Wish, now: float) -> str | None:
        """The number to call from; None is the trunk's own, or that none of the pool is free."""
        if wish.pool is None:
            return wish.caller
        pool = self._config.outbound.pools[wish.pool]
        last = None
        if pool.sticky:
            last = await self._archive.do(lambda store: store.last_caller(wish.to, pool.numbers))
        return self._dispatch.caller_from(pool, wish, last, now)

    def _originate(self, dial: Dial, now: float) -> None:
        try:
            call_id = self._calls.originate(placing.origination(dial, self._config))
        except Refused as refused:
            log.info("dial_without_call", dial_id=dial.dial_id, reason_code=refused.reason_code)
            if refused.retry_after_s is None and refused.reason_code is not ReasonCode.BUDGET_EXCEEDED:
                detail = f"{refused.reason_code}: {refused.detail}"
                self._dispatch.refused(dial, detail, self._config, now, random.random())
            else:
                self._dispatch.put_back(dial, refused.reason_code, now)
            return
        self._dispatch.called(dial, call_id)
        log.info("dial_placed", dial_id=dial.dial_id, call_id=call_id, attempt=dial.last.number)


def _tell_defect(task: asyncio.Task[None]) -> None:
    """The task runs until the server stops."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("dial_desk_crashed", error=repr(error), exc_info=error)
