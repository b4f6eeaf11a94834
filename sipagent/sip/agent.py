"""The SIP side of the server: listeners, trunks and calls. It knows nothing about audio."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from sipagent.config import Config
from sipagent.errors import ConfigError
from sipagent.events import TargetStateChanged, TrunkStateChanged
from sipagent.sip import pjsua
from sipagent.sip.accounts import Account
from sipagent.sip.call import SipCall
from sipagent.sip.calls import Calls
from sipagent.sip.invite import parse_invite, rejected_invite, split_address
from sipagent.sip.messages import LocalMedia, RejectedInvite
from sipagent.sip.names import DnsNames
from sipagent.sip.outgoing import Outgoing
from sipagent.sip.pjsua import PjError, Stack
from sipagent.sip.public_address import PublicAddresses
from sipagent.sip.shield import Shield
from sipagent.sip.sources import Network
from sipagent.sip.targets import Reachability
from sipagent.sip.trunks import Trunks, Watchers

logger = logging.getLogger("sipagent.sip")

POLL_INTERVAL_S = 0.004
HANG_UP_WAIT_S = 1.0


class SipAgent:
    """Owns pjsua2; one per process. Everything happens in the event loop that `start` ran in.

    `on_invite` gets every call that comes in, soon after its INVITE and not from within pjsua2: it may do
    anything with the call. `on_rejected` is told of INVITEs that pjsip refused by itself. `polled_at` is when
    pjsua2 last had its turn (CLOCK_MONOTONIC).
    """

    def __init__(
        self,
        config: Config,
        *,
        on_invite: Callable[[SipCall], None],
        on_trunk: Callable[[TrunkStateChanged], None],
        on_rejected: Callable[[RejectedInvite], None] = lambda rejected: None,
        on_target: Callable[[TargetStateChanged], None] = lambda change: None,
    ) -> None:
        self.max_calls = pjsua.max_calls()
        self.addresses = PublicAddresses(config)
        self._on_invite = on_invite
        self._on_rejected = on_rejected
        self._names = DnsNames(config.sip.nameservers)
        self._calls = Calls()
        self._taken: dict[tuple[tuple[str, str], ...], SipCall] = {}
        self._shield = Shield()
        watchers = Watchers(self._incoming, on_trunk, on_target, self._shield.allow)
        self._trunks = Trunks(config, self._names, self.addresses, self._calls, watchers)
        self._outgoing = Outgoing(self._trunks, self._calls)
        self._stack: Stack | None = None
        self.polled_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen, and begin to register. Raises `ConfigError` for a listener or secret that can't be used."""
        await asyncio.gather(self._trunks.peers.refresh(), self.addresses.refresh())
        self._stack = Stack(self)
        if not pjsua.IS_TUNED:
            logger.warning("this pjsua2 carries %d calls and answers every source", self.max_calls)
            _refuse_srtp(self._config)
        try:
            self._stack.start(self._config.sip, self._names.nameservers)
            self._shield.open(self._config.sip)
            self._trunks.open()
        except BaseException:  # nothing is swallowed: pjsua2 must not stay half started
            await self.stop()
            raise
        self._tasks = [
            asyncio.create_task(self._poll(self._stack)),
            asyncio.create_task(self._calls.look_after()),
            asyncio.create_task(self._follow_peers()),
            asyncio.create_task(self._follow_addresses()),
            asyncio.create_task(self._shield.guard(pjsua.dropped_requests)),
        ]

    async def unregister(self) -> None:
        """Let registrars send nobody here any more. Calls that are on go on."""
        await self._trunks.unregister()

    async def stop(self) -> None:
        """End what calls are left, unregister, and give the sockets back. A second call does nothing."""
        if self._stack is None:
            return
        for call in self._calls:
            call.hang_up(sip_status=503)
        await asyncio.gather(self._trunks.unregister(), self._calls.wait_until_none(HANG_UP_WAIT_S))
        self._outgoing.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._calls.release_all()
        self._trunks.clear()
        self._shield.close()
        stack, self._stack = self._stack, None
        stack.stop()

    async def reconfigure(self, config: Config) -> None:
        """Open, change and close trunks as another configuration says; its listeners must be the same.

        Calls keep the trunk that they began with, also if it is no more. Raises `ConfigError`, with nothing
        changed, for a trunk that can't be opened.
        """
        if not pjsua.IS_TUNED:
            _refuse_srtp(config)
        self.addresses.reconfigure(config)
        try:
            await self._refresh_addresses()
            await self._trunks.reconfigure(config)
        except ConfigError:
            self.addresses.reconfigure(self._config)
            raise

    def place_call(
        self,
        trunk: str,
        to_uri: str,
        local: LocalMedia,
        *,
        from_uri: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        hide_caller: bool = False,
    ) -> SipCall:
        """Call `to_uri` over a trunk. Whatever becomes of it, an unusable URI too, is an event.

        The trunk's `caller_id` says where our identity stands; `hide_caller` keeps it from the callee.

        It goes by the trunk's proxy or registrar, to the next of its servers if one doesn't answer; over a
        trunk without them, to the host of the URI.
        """
        return self._outgoing.place(
            trunk, to_uri, local, from_uri=from_uri, headers=headers, hide_caller=hide_caller
        )

    def sources(self, trunk: str) -> frozenset[Network]:
        """The networks that a trunk's requests may come from, as known now."""
        return self._trunks.sources.of(trunk)

    def registrar_addresses(self, trunk: str) -> frozenset[str]:
        """The addresses that a trunk's registrar resolved to."""
        return self._trunks.peers.addresses(trunk)

    def servers(self, trunk: str) -> tuple[Reachability, ...]:
        """The servers of a trunk's proxy or registrar, best first, and whether they are known to be up."""
        hop = self._trunks.peers.next_hop(trunk)
        return hop.reachability(time.monotonic()) if hop is not None else ()

    @property
    def _config(self) -> Config:
        return self._trunks.config

    @property
    def dropped_requests(self) -> int:
        """Requests from unlisted sources that got no answer; 0 in a build that can't filter."""
        return pjsua.dropped_requests()

    @property
    def calls(self) -> int:
        """Calls that pjsua2 still holds."""
        return len(self._calls)

    # --- what pjsua2 reports (see `handlers.StackHandler`) ------------------------------------------

    def select_account(self, source: str) -> int | None:
        trunk = self._trunks.sources.trunk_at(split_address(source)[0])
        return None if trunk is None else self._trunks.accounts[trunk].pj.index

    def on_rejected(self, sip_status: int, source: str, message: str) -> None:
        invite = parse_invite(message, *split_address(source))
        self._taken.pop(invite.headers, None)  # it looked like a call before pjsip changed its mind
        rejected = rejected_invite(invite, sip_status)
        logger.warning("INVITE refused: %d %s src=%s", sip_status, rejected.reason_code, source)
        asyncio.get_running_loop().call_soon(self._on_rejected, rejected)

    def on_connection_lost(self, transport: str) -> None:
        for name, account in self._trunks.accounts.items():
            if account.registration and self._config.trunks[name].transport == transport.lower():
                account.registration.on_connection_lost()

    def on_callback_failed(self) -> None:
        """Nothing hangs on these: pjsua2 goes on as if it had not asked."""

    # ------------------------------------------------------------------------------------------------

    async def _poll(self, stack: Stack) -> None:
        while True:
            try:
                stack.poll()
            except PjError:
                logger.exception("pjsua2 failed to handle its events")
            self._calls.release_ended()
            self.polled_at = time.monotonic()
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _follow_addresses(self) -> None:
        """Where our own address has changed, tell the registrar, peers of calls, and whoever calls next."""
        while True:
            await asyncio.sleep(self._config.stun_refresh_s)
            await self._refresh_addresses()

    async def _refresh_addresses(self) -> None:
        for name in sorted(await self.addresses.refresh() & self._trunks.accounts.keys()):
            trunk, account = self._config.trunks[name], self._trunks.accounts[name]
            address = self.addresses.of(trunk)
            logger.warning("trunk %s: our public address is now %s", name, address)
            account.move(self._trunks.settings(trunk))
            for call in self._calls:
                if call.account is not None and account.owns(call.account):
                    call.move(address)

    async def _follow_peers(self) -> None:
        """Where the servers of a trunk are others, answer those, and register at the best of them."""
        while True:
            await asyncio.sleep(self._trunks.peers.next_refresh_s())
            for name in sorted(await self._trunks.peers.refresh()):
                self._trunks.filter()
                account = self._trunks.accounts.get(name)
                if account is not None and account.registration is not None:
                    account.registration.on_targets_changed()

    def _incoming(self, account: Account, call_id: int, source: str, message: str) -> None:
        call = self._calls.new(parse_invite(message, *split_address(source)))
        call.messages.note("in", message, time.monotonic())
        assert call.invite is not None
        call.take(account.pj, call_id)
        self._taken[call.invite.headers] = call
        asyncio.get_running_loop().call_soon(self._hand_over, call.invite.headers)

    def _hand_over(self, headers: tuple[tuple[str, str], ...]) -> None:
        call = self._taken.pop(headers, None)
        if call is not None:
            self._on_invite(call)


def _refuse_srtp(config: Config) -> None:
    """Rather than serve a trunk without the SRTP that it asks for."""
    trunks = [name for name, trunk in config.trunks.items() if trunk.srtp != "off"]
    if trunks:
        raise ConfigError([f"trunk {name}: srtp needs the tuned pjsua2 (make pjsua2)" for name in trunks])
