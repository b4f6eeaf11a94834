"""The dial desk: takes dials, answers for them, and hears what becomes of their calls.

Nobody relies on what was not saved: a dial is in the store before its client is told that it was taken. See
`dialler` for how its calls are placed.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from math import ceil

from sipagent import events, logs
from sipagent.call.current import CurrentConfig
from sipagent.config import Config, RedactionConfig
from sipagent.metrics import Metrics
from sipagent.outbound import retrying
from sipagent.outbound.archive import Archive, StoreFailed
from sipagent.outbound.dial import CancelAsked, Dial, State, Wish, after
from sipagent.outbound.dialler import LONGEST_SLEEP_S, Calls, Dialler
from sipagent.outbound.dispatch import Dispatch, NoRoom
from sipagent.outbound.intake import Asked, Refusal, Sees, wish_of
from sipagent.outbound.keeper import Keeper
from sipagent.outbound.store import Count, Filter

log = logs.get_logger(__name__)


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
        self._archive = Archive()
        self._keeper = Keeper(self._dispatch, self._archive, metrics, tell)
        self._dialler = Dialler(current, calls, self._dispatch, self._archive, self._keeper, metrics, clock)

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
            await self._keeper.recover(self._config, self._clock())
        except StoreFailed as failed:
            log.error("dial_store_unavailable", error=str(failed))
            return
        self._dialler.start()

    async def stop(self) -> None:
        """When no call is on any more. Dials that wait are found by the next process."""
        await self._dialler.stop()
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
        async with self._dialler.one_at_a_time:
            try:
                taken = await self._take(wishes, key, at_once=at_once)
            except NoRoom as full:
                self._metrics.count_dial_refused(full.rule)
                log.warning("dial_refused", key=key, rule=full.rule, detail=full.detail)
                raise
        self._dialler.nudge()
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
        async with self._dialler.one_at_a_time:
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
        self._dialler.nudge()

    def is_paused(self, campaign: str) -> bool:
        return campaign in self._dispatch.paused

    def observe(self, event: events.Event) -> None:
        """Every event of every call passes here."""
        if self._dispatch.hear(event, self._config, self._clock(), random.random()):
            self._dialler.nudge()

    def _new(self, wish: Wish, now: float) -> Dial:
        calendars = self._config.routes.calendars
        due_at = retrying.allowed_from(wish.retry, max(wish.not_before, now), calendars)
        return Dial(
            dial_id=uuid.uuid4().hex,
            wish=wish,
            created_at=now,
            due_at=wish.expires_at if due_at is None else due_at,
        )
