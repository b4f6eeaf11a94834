"""The trunks as they stand: their accounts in pjsua2, their servers, and whose requests are answered.

What a new configuration changes is changed here, and leaves calls that are on alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass

from sipagent.config import Config, TrunkConfig
from sipagent.errors import ConfigError
from sipagent.events import TargetStateChanged, TrunkStateChanged
from sipagent.sip import pjsua
from sipagent.sip.accounts import Account, OnIncoming
from sipagent.sip.calls import Calls
from sipagent.sip.names import DnsNames
from sipagent.sip.peers import Peers
from sipagent.sip.pjsua import PjError, reason
from sipagent.sip.public_address import PublicAddresses
from sipagent.sip.qualification import Qualification
from sipagent.sip.settings import STRANGERS, AccountSettings, settings_for
from sipagent.sip.sources import Network, Sources

logger = logging.getLogger("sipagent.sip")

#: How often we look whether the last call over a trunk that is no more has ended.
RETIRED_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is told what: calls that come in, registrations, answers to OPTIONS, and whose requests count."""

    on_incoming: OnIncoming
    on_trunk: Callable[[TrunkStateChanged], None]
    on_target: Callable[[TargetStateChanged], None]
    on_sources: Callable[[frozenset[Network]], None]


class Trunks:
    """`accounts`, `peers` and `sources` are those of `config`, which is another one after `reconfigure`."""

    def __init__(
        self, config: Config, names: DnsNames, addresses: PublicAddresses, calls: Calls, watchers: Watchers
    ) -> None:
        self.config = config
        self.peers = Peers(config, names)
        self.sources = Sources(config.trunks, self.peers.addresses)
        self.accounts: dict[str, Account] = {}
        self._addresses = addresses
        self._calls = calls
        self._watchers = watchers
        self._strangers: Account | None = None
        self._qualifications: dict[str, asyncio.Task[None]] = {}
        self._retired: dict[Account, frozenset[Network]] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._registering: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Take calls of all trunks and begin to register. Raises `ConfigError`."""
        settings = self._settings(self.config)
        self._strangers = Account(STRANGERS, self._watchers.on_incoming)
        self.accounts = self._opened(settings, settings)
        self.filter()
        self._serve(self.accounts)

    async def reconfigure(self, config: Config) -> None:
        """Open, change and close what differs. Calls over trunks that are no more go on to their end.

        Raises `ConfigError`, with nothing changed, for a trunk that can't be opened.
        """
        if self._registering is not None:
            await self._registering
        settings = self._settings(config)
        peers = self.peers.reconfigured(config)
        await peers.refresh()
        kept = {name for name in settings if self._is_same(name, config, settings[name])}
        fresh = self._opened(settings, settings.keys() - kept)
        gone = {name: each for name, each in self.accounts.items() if name not in kept}
        for name, account in gone.items():
            self._retired[account] = self.sources.of(name)
            if (qualification := self._qualifications.pop(name, None)) is not None:
                qualification.cancel()
        self.config, self.peers = config, peers
        self.sources = Sources(config.trunks, peers.addresses)
        self.accounts = {name: fresh.get(name) or self.accounts[name] for name in config.trunks}
        self.filter()
        self._registering = asyncio.create_task(self._replace(gone.values(), fresh))

    def settings(self, trunk: TrunkConfig) -> AccountSettings:
        """What a trunk is to pjsua2 now. Raises `ConfigError` if its password can't be read."""
        return self._settings_in(self.config, trunk)

    def filter(self) -> None:
        """Answer the trunks, and whoever is still in a call over one that is no more.

        Where pjsua2 can't filter, the call layer refuses whoever is of no trunk.
        """
        if pjsua.IS_TUNED:
            networks = self.sources.all().union(*self._retired.values())
            pjsua.set_source_filter(map(str, networks))
            self._watchers.on_sources(networks)

    async def unregister(self) -> None:
        """Take back every registration, and do nothing more by ourselves."""
        if self._registering is not None:
            await self._registering
        tasks = [*self._qualifications.values(), *self._retiring]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _stop_registrations(self.accounts.values())

    def clear(self) -> None:
        """Let go of every account; pjsua2 ends after this."""
        self.accounts.clear()
        self._retired.clear()
        self._strangers = None

    # ------------------------------------------------------------------------------------------------

    def _settings(self, config: Config) -> dict[str, AccountSettings]:
        return {name: self._settings_in(config, trunk) for name, trunk in config.trunks.items()}

    def _settings_in(self, config: Config, trunk: TrunkConfig) -> AccountSettings:
        return settings_for(
            trunk,
            config.sip.listener(trunk.transport),
            self._addresses.of(trunk),
            is_discovered=config.stun_server_of(trunk) is not None,
        )

    def _is_same(self, name: str, config: Config, settings: AccountSettings) -> bool:
        """Is the trunk, as far as it is seen from here, what it was?"""
        if name not in self.accounts:
            return False
        before, after = self.config.trunks[name], config.trunks[name]
        return self.accounts[name].settings == settings and _watched(before) == _watched(after)

    def _opened(self, settings: Mapping[str, AccountSettings], names: Iterable[str]) -> dict[str, Account]:
        """New accounts for these trunks: all of them, or none and a `ConfigError`."""
        opened: dict[str, Account] = {}
        for name in names:
            try:
                opened[name] = Account(settings[name], self._watchers.on_incoming)
            except PjError as error:
                for account in opened.values():
                    account.close()
                raise ConfigError([f"trunk {name}: can't be opened: {reason(error)}"]) from None
        return opened

    async def _replace(self, gone: Iterable[Account], fresh: Mapping[str, Account]) -> None:
        """First the old registrations are taken back: they may be for the same address as the new ones."""
        await _stop_registrations(gone)
        for account in gone:
            self._spawn(self._retire(account))
        self._serve(fresh)

    def _serve(self, accounts: Mapping[str, Account]) -> None:
        """Register, and ask the servers whether they are there."""
        for name, account in accounts.items():
            trunk, hop = self.config.trunks[name], self.peers.next_hop(name)
            if hop is None:
                continue
            if account.settings.registrar:
                account.keep_registered(trunk, hop, self._watchers.on_trunk)
            if trunk.qualify_s:
                move = account.registration.on_targets_changed if account.registration else _nothing
                asked = Qualification(trunk, account, hop, self._watchers.on_target, move)
                self._qualifications[name] = asyncio.create_task(asked.run())

    async def _retire(self, account: Account) -> None:
        """Close an account once its last call has ended; until then its peers are answered."""
        while True:
            if not self._has_calls(account) and account.close():
                break
            await asyncio.sleep(RETIRED_LOOK_S)
        del self._retired[account]
        self.filter()

    def _has_calls(self, account: Account) -> bool:
        return any(call.account is not None and account.owns(call.account) for call in self._calls)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def _watched(trunk: TrunkConfig) -> tuple[object, ...]:
    """What registration, qualification and the choice of servers go by, beside the settings."""
    return trunk.registration, trunk.proxy, trunk.transport, trunk.qualify_s, trunk.failover_timeout_s


async def _stop_registrations(accounts: Iterable[Account]) -> None:
    await asyncio.gather(*(account.registration.stop() for account in accounts if account.registration))


def _nothing() -> None:
    """A trunk that doesn't register has nothing to move."""
