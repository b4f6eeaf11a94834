"""Where each trunk's peer is: its registrar and proxy by name, looked up again as their records run out."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable, Mapping

from sipagent.config import Config, TrunkConfig, host_and_port
from sipagent.sip.locating import IpVersion, Located, Names, Place, locate
from sipagent.sip.targets import NextHop

logger = logging.getLogger("sipagent.sip")

#: As many servers of one peer as are looked at.
MAX_TARGETS = 8
SHORTEST_TTL_S, LONGEST_TTL_S = 2.0, 3600.0
RETRY_S = 30.0
#: Peers of calls that went to a host of their own; the oldest makes room.
MAX_PASSING = 64


class Peer:
    """One host or domain. The same records yield the same order of its servers as long as we run."""

    def __init__(self, place: Place, version: IpVersion) -> None:
        self.place = place
        self.hop = NextHop()
        self._version = version
        self._seed = random.random()
        self.stale_at = 0.0

    @property
    def key(self) -> tuple[Place, IpVersion]:
        """Whom it stands for."""
        return self.place, self._version

    async def refresh(self, names: Names) -> bool:
        """Look it up again; a peer that can't be found keeps the servers it had. Were they others?"""
        chance = random.Random(self._seed)
        try:
            located = await locate(self.place, self._version, names, chance.random)
        except OSError as error:
            logger.warning("%s can't be located: %s", self.place.host, error)
            self.stale_at = time.monotonic() + RETRY_S
            return False
        return self._take(located)

    def _take(self, located: Located) -> bool:
        before, targets = self.hop.targets, located.targets[:MAX_TARGETS]
        self.hop.replace(targets)
        self.stale_at = time.monotonic() + max(SHORTEST_TTL_S, located.ttl_s)
        if targets != before:
            logger.info("%s is %s", self.place.host, ", ".join(map(str, targets)))
        return targets != before


class Peers:
    """The peers of all trunks."""

    def __init__(self, config: Config, names: Names) -> None:
        self._names = names
        self._versions = {trunk.name: ip_version(config, trunk) for trunk in config.trunks.values()}
        self._of: Mapping[str, list[Peer]] = {
            name: [Peer(place, self._versions[name]) for place in places(trunk)]
            for name, trunk in config.trunks.items()
        }
        self._passing: dict[tuple[str, Place], Peer] = {}

    def reconfigured(self, config: Config) -> Peers:
        """The peers of another configuration: a trunk's that stay are the same, and what is known of them."""
        after = Peers(config, self._names)
        for name, peers in after._of.items():
            known = {peer.key: peer for peer in self._of.get(name, ())}
            peers[:] = [known.get(peer.key, peer) for peer in peers]
        after._passing = {key: peer for key, peer in self._passing.items() if key[0] in after._of}
        return after

    def next_hop(self, trunk: str) -> NextHop | None:
        """Where requests over the trunk go: its proxy, or its registrar. None: where their URIs say."""
        peers = self._of[trunk]
        return peers[0].hop if peers else None

    def addresses(self, trunk: str) -> frozenset[str]:
        """The addresses of its registrar and proxy."""
        return frozenset(target.address for peer in self._of[trunk] for target in peer.hop.targets)

    async def refresh(self) -> frozenset[str]:
        """Look up what has run out. Returns the trunks whose servers are others now."""
        now = time.monotonic()
        due = [(name, peer) for name, peers in self._of.items() for peer in peers if peer.stale_at <= now]
        changed = await asyncio.gather(*(peer.refresh(self._names) for _, peer in due))
        return frozenset(name for (name, _), is_new in zip(due, changed, strict=True) if is_new)

    def next_refresh_s(self) -> float:
        """When something runs out, from now."""
        due = min((peer.stale_at for peers in self._of.values() for peer in peers), default=float("inf"))
        return min(max(due - time.monotonic(), SHORTEST_TTL_S), LONGEST_TTL_S)

    async def passing(self, trunk: str, place: Place) -> NextHop:
        """The servers of some other host that a call over the trunk is meant for. Raises OSError."""
        key = (trunk, place)
        peer = self._passing.pop(key, None) or Peer(place, self._versions[trunk])
        self._passing[key] = peer
        while len(self._passing) > MAX_PASSING:
            del self._passing[next(iter(self._passing))]
        if peer.stale_at <= time.monotonic():
            await peer.refresh(self._names)
        if not peer.hop.targets:
            raise OSError(f"{place.host} can't be located")
        return peer.hop


def places(trunk: TrunkConfig) -> list[Place]:
    """Whom a trunk deals with: the next hop first, then where else requests may come from."""
    registrar = trunk.registration.registrar if trunk.registration else None
    uris: Iterable[str] = dict.fromkeys(uri for uri in (trunk.proxy, registrar) if uri is not None)
    return [Place(*host_and_port(uri), trunk.transport) for uri in uris]


def ip_version(config: Config, trunk: TrunkConfig) -> IpVersion:
    """The IP version that the trunk's listener speaks."""
    listener = config.sip.listener(trunk.transport)
    return 6 if listener is not None and ":" in listener.host else 4
