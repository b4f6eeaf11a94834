"""The task that places calls for dials: when there is room, and one thing at a time with whoever asks.

An attempt is in the store before its call is placed, so that nobody is called twice for one attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from math import inf
from typing import Protocol

from sipagent import logs
from sipagent.call.current import CurrentConfig
from sipagent.call.origination import Origination, Refused
from sipagent.config import Config
from sipagent.errors import ReasonCode
from sipagent.metrics import Metrics
from sipagent.outbound import placing
from sipagent.outbound.archive import Archive, StoreFailed
from sipagent.outbound.dial import Dial, Placed, Wish, after
from sipagent.outbound.dispatch import Dispatch
from sipagent.outbound.keeper import Keeper

log = logs.get_logger(__name__)

#: How long it sleeps at most: a reload may have made room, and a disk that refused may not any more.
LONGEST_SLEEP_S = 2.0


class Calls(Protocol):
    """The calls that are on, as far as dials know them."""

    def originate(self, origination: Origination) -> str:
        """Place a call, whose id is returned at once. Raises `call.origination.Refused`."""

    def hang_up(self, call_id: str) -> None:
        """End a call, if it is on."""


class Dialler:
    """Whoever changes dials in between holds `one_at_a_time`, and nudges the task afterwards."""

    def __init__(
        self,
        current: CurrentConfig,
        calls: Calls,
        dispatch: Dispatch,
        archive: Archive,
        keeper: Keeper,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.one_at_a_time = asyncio.Lock()
        self._current = current
        self._calls = calls
        self._dispatch = dispatch
        self._archive = archive
        self._keeper = keeper
        self._metrics = metrics
        self._clock = clock
        self._news = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def _config(self) -> Config:
        return self._current.config

    def start(self) -> None:
        """Place calls from now on."""
        self._task = asyncio.create_task(self._run(), name="dials")

    def nudge(self) -> None:
        """Something has changed: look again."""
        self._news.set()

    async def stop(self) -> None:
        """Place nothing more, and save what has changed."""
        self._is_stopping = True
        self._news.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        """A defect doesn't end it: it goes on after the longest sleep."""
        is_last = False
        while not is_last:
            is_last = self._is_stopping
            self._news.clear()
            ask_at = self._clock() + LONGEST_SLEEP_S
            try:
                ask_at = await self._round(places=not is_last)
            except Exception:
                log.exception("dial_desk_failed")
                self._metrics.count_dial_defect()
            if not is_last:
                await self._rest(ask_at)

    async def _round(self, *, places: bool) -> float:
        """Place what may be placed, and keep what has changed; when to do so again."""
        async with self.one_at_a_time:
            ask_at = await self._place_all() if places else inf
            await self._keeper.save_changed()
            await self._keeper.tidy(self._clock(), self._config.outbound.keep_days)
            return ask_at

    async def _rest(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(until - self._clock(), 0.0), LONGEST_SLEEP_S)):
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
        except Exception:  # one dial's defect must not keep the others waiting
            log.exception("dial_crashed", dial_id=dial.dial_id)
            self._metrics.count_dial_defect()
            detail = str(ReasonCode.INTERNAL_ERROR)
            self._dispatch.refused(dial, detail, self._config, now, random.random())
            return
        self._dispatch.called(dial, call_id)
        log.info("dial_placed", dial_id=dial.dial_id, call_id=call_id, attempt=dial.last.number)
