"""Taking up another configuration while calls are on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from sipagent import logs
from sipagent.call.admission.load import CallLoad
from sipagent.call.current import CurrentConfig
from sipagent.config import Config, check_again
from sipagent.config.reloading import Changes
from sipagent.errors import ConfigError
from sipagent.metrics import Metrics
from sipagent.sip.agent import SipAgent

log = logs.get_logger(__name__)

_NOTHING = Changes((), (), ())


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What came of a reload. With `problems` nothing has changed; each is `file:line: key: what is wrong`.

    `needs_restart` are keys of `sipagent.yaml` that differ and keep their old values until the next start.
    """

    problems: tuple[str, ...] = ()
    trunks: Changes = _NOTHING
    agents: Changes = _NOTHING
    rules_changed: bool = False
    needs_restart: tuple[str, ...] = ()

    @property
    def is_applied(self) -> bool:
        return not self.problems


class Reloader:
    """The one writer of the current configuration. Calls that are on keep what they began with."""

    def __init__(
        self, path: Path, current: CurrentConfig, sip: SipAgent, load: CallLoad, metrics: Metrics
    ) -> None:
        self._path = path
        self._current = current
        self._sip = sip
        self._load = load
        self._metrics = metrics
        self._turn = asyncio.Lock()

    async def reload(self) -> ReloadOutcome:
        """Read and check the files as at the start, and go by them if nothing is wrong. One at a time."""
        async with self._turn:
            outcome = await self._reload()
        self._metrics.count_reload(outcome.is_applied)
        if not outcome.is_applied:
            log.error("config_reload_refused", problems=list(outcome.problems))
            return outcome
        if outcome.needs_restart:
            log.warning("config_needs_restart", keys=list(outcome.needs_restart))
        log.info(
            "config_reloaded",
            trunks_added=outcome.trunks.added,
            trunks_changed=outcome.trunks.changed,
            trunks_removed=outcome.trunks.removed,
            agents_added=outcome.agents.added,
            agents_changed=outcome.agents.changed,
            agents_removed=outcome.agents.removed,
            rules_changed=outcome.rules_changed,
        )
        return outcome

    async def _reload(self) -> ReloadOutcome:
        before = self._current.config
        try:
            after, needs_restart = await asyncio.to_thread(check_again, self._path, before)
            await self._sip.reconfigure(after)
        except ConfigError as error:
            return ReloadOutcome(problems=tuple(error.problems))
        self._current.config = after
        self._load.reconfigure(after, time.monotonic())
        return differences(before, after, needs_restart)


def differences(before: Config, after: Config, needs_restart: tuple[str, ...]) -> ReloadOutcome:
    """What a reload has changed."""
    return ReloadOutcome(
        trunks=Changes.between(before.trunks, after.trunks),
        agents=Changes.between(before.agents, after.agents),
        rules_changed=before.routes != after.routes,
        needs_restart=needs_restart,
    )
