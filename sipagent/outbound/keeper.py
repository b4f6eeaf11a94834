"""Brings what has changed about dials into the store, and tells of it once it is there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from math import inf

from sipagent import logs
from sipagent.config import Config
from sipagent.metrics import Metrics
from sipagent.outbound.archive import Archive, StoreFailed
from sipagent.outbound.dial import Dial
from sipagent.outbound.dispatch import Dispatch
from sipagent.outbound.store import Store
from sipagent.outbound.windows import DAY_S

log = logs.get_logger(__name__)

TIDY_EVERY_S = 3600.0


class Keeper:
    """Asked one thing at a time. `tell` gets every dial that is over."""

    def __init__(
        self, dispatch: Dispatch, archive: Archive, metrics: Metrics, tell: Callable[[Dial], None]
    ) -> None:
        self._dispatch = dispatch
        self._archive = archive
        self._metrics = metrics
        self._tell = tell
        self._unsaved: dict[str, Dial] = {}
        self._tidied_at = -inf

    async def recover(self, config: Config, now: float) -> None:
        """Open the store, and take up what an earlier process left. Raises `StoreFailed`."""
        dispatch, archive = self._dispatch, self._archive
        await archive.open(config.storage.dials_database)
        for placement in await archive.do(lambda store: store.placements(now - DAY_S)):
            dispatch.recall(*placement)
        dispatch.paused = frozenset(await archive.do(Store.paused))
        for dial in await archive.do(Store.unfinished):
            dispatch.recover(dial, config, now, random.random())

    def unsaved(self, dial_id: str) -> Dial | None:
        """As it is now, where that isn't in the store yet."""
        return self._unsaved.get(dial_id)

    async def save_changed(self) -> None:
        """What a disk refuses is saved with the next changes. Who is told of a dial is told after that."""
        self._unsaved |= {dial.dial_id: dial for dial in self._dispatch.take_changed()}
        changed = list(self._unsaved.values())
        if changed:
            try:
                await self._archive.do(lambda store: store.save(changed))
            except StoreFailed as failed:
                log.error("dials_not_saved", dials=len(changed), error=str(failed))
                return
        self._unsaved = {}
        self._report(changed)

    async def tidy(self, now: float, keep_days: int) -> None:
        """Forget what is old, once in a while."""
        if now < self._tidied_at + TIDY_EVERY_S:
            return
        self._tidied_at = now
        self._dispatch.forget(now)
        try:
            await self._archive.do(lambda store: store.purge(now - keep_days * DAY_S))
        except StoreFailed as failed:
            log.error("dials_not_tidied", error=str(failed))

    def _report(self, changed: Iterable[Dial]) -> None:
        for dial in self._dispatch.take_attempted():
            self._metrics.count_dial_attempt(dial.wish.trunk, dial.outcome or "")
        ledger = self._dispatch.ledger
        self._metrics.observe_dials(len(ledger.waiting), len(ledger.on))
        for dial in changed:
            if dial.is_over:
                log.info("dial_ended", dial_id=dial.dial_id, state=dial.state, attempts=len(dial.attempts))
                self._tell(dial)
