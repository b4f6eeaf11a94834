"""What happens to records once they are written: the database is fed, and what was spent is known again."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time

from sipagent import logs
from sipagent.call.record.costs import Costs
from sipagent.call_log.database import Database, database_url
from sipagent.call_log.keeper import CallLogKeeper, Feed
from sipagent.config import Config
from sipagent.cost.pricing import models_without_price
from sipagent.metrics import Metrics

log = logs.get_logger(__name__)


class Bookkeeping:
    """Belongs to the server: started before its first call, stopped after its last record."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        """Raises `ConfigError` for a database that can't be one."""
        self.costs = Costs()
        self._config = config
        self._metrics = metrics
        self._keeper = CallLogKeeper(config, Database(database_url(config)), self._observe, self._recall)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known_from = date.min

    def start(self) -> None:
        """Waits for no database. Call it on the loop, when what a crash left has been recovered."""
        self._loop = asyncio.get_running_loop()
        if unpriced := models_without_price(self._config):
            log.warning("models_without_price", models=unpriced)
        self._known_from = self.costs.recall(self._config, datetime.now(UTC).date())
        self._keeper.start()

    def stop(self) -> None:
        """When the spool is closed: what is in it goes to the database, if that is there."""
        self._keeper.stop()

    # --- on the keeper's thread ---------------------------------------------------------------------

    def _observe(self, feed: Feed) -> None:
        self._metrics.observe_call_log(feed.is_up, feed.lag_records)

    def _recall(self, database: Database) -> None:
        """What calls of this month cost that the spool doesn't hold any more."""
        first = self._known_from.replace(day=1)
        if self._config.prices is None or first == self._known_from:
            return
        since, until = (datetime.combine(day, time(), UTC) for day in (first, self._known_from))
        sums = database.spent(since, until, self._config.prices.currency)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.costs.recall_sums, first, sums)
