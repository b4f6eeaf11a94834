"""Calls of ours: what stands in their INVITE, and by which servers they go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sipagent.config import TrunkConfig, host_and_port
from sipagent.sip.call import SipCall
from sipagent.sip.calls import Calls
from sipagent.sip.identity import our_headers
from sipagent.sip.locating import Place, place_of
from sipagent.sip.messages import CallDisconnected, LocalMedia, OutgoingInvite
from sipagent.sip.placing import Way
from sipagent.sip.settings import over
from sipagent.sip.targets import NextHop, is_address
from sipagent.sip.trunks import Trunks


class Outgoing:
    """Places calls over `trunks`, and keeps them among `calls`."""

    def __init__(self, trunks: Trunks, calls: Calls) -> None:
        self._trunks = trunks
        self._calls = calls
        self._locating: set[asyncio.Task[None]] = set()

    def place(
        self,
        trunk: str,
        to_uri: str,
        local: LocalMedia,
        *,
        from_uri: str | None,
        headers: Iterable[tuple[str, str]],
        hide_caller: bool,
    ) -> SipCall:
        """See `SipAgent.place_call`."""
        config = self._trunks.config.trunks[trunk]
        call = self._calls.new(None)
        uri = over(to_uri, config.transport)
        shown, identity = our_headers(from_uri, config.caller_id, hidden=hide_caller)
        invite = OutgoingInvite(uri, local, shown, (*identity, *headers))
        place = own_place(config, uri)
        if place is None:
            self._send(call, invite, config, self._trunks.peers.next_hop(trunk))
        else:
            task = asyncio.create_task(self._locate_and_send(call, invite, config, place))
            self._locating.add(task)
            task.add_done_callback(self._locating.discard)
        return call

    def close(self) -> None:
        """Look no further for hosts of calls."""
        for task in self._locating:
            task.cancel()

    async def _locate_and_send(
        self, call: SipCall, invite: OutgoingInvite, config: TrunkConfig, place: Place
    ) -> None:
        try:
            hop = await self._trunks.peers.passing(config.name, place)
        except OSError as error:
            call.fail(CallDisconnected(502, str(error), by_remote=False))
        else:
            self._send(call, invite, config, hop)

    def _send(self, call: SipCall, invite: OutgoingInvite, config: TrunkConfig, hop: NextHop | None) -> None:
        account = self._trunks.accounts.get(config.name)
        if account is None:  # closed while the host was looked up
            call.fail(CallDisconnected(503, f"trunk {config.name} is no more", by_remote=False))
        else:
            call.place(invite, Way(account, hop, config.failover_timeout_s))


def own_place(trunk: TrunkConfig, uri: str) -> Place | None:
    """Where a URI leads that is not to go by the trunk's own servers, if that is still to be found out."""
    place = place_of(uri, trunk.transport)
    if place is None or trunk.proxy is not None:
        return None
    if trunk.registration is None:
        return None if is_address(place.host) else place
    host, port = host_and_port(trunk.registration.registrar)
    return None if place.host == host.lower() and place.port in (None, port) else place
