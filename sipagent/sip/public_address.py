"""The address at which a trunk's peers reach us: written down, that of the route, or asked for by STUN."""

from __future__ import annotations

import asyncio
import logging
import socket

from rtp import stun
from rtp.address import Address
from rtp.ports import PortPair
from rtp.stun import StunError
from sipagent.config import Config, ServerAddress, TrunkConfig
from sipagent.sip.route import KnownInterfaces, local_address_towards

logger = logging.getLogger("sipagent.sip")

#: How long an INVITE may be kept waiting for the mapped ports of its call.
CALL_DEADLINE_S = 1.0

Ports = tuple[int, int]


class PublicAddresses:
    """Knows what to say to each trunk. `refresh` is to be called now and then: addresses change."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._host = config.rtp.bind_address
        self._resolved: dict[ServerAddress, Address] = {}
        self._mapped: dict[ServerAddress, str] = {}
        self.interfaces = KnownInterfaces()

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration; `refresh` asks STUN servers that are new in it."""
        self._config = config

    def of(self, trunk: TrunkConfig) -> str:
        """An IP address, or `auto`: also while a STUN server has not answered yet."""
        server = self._config.stun_server_of(trunk)
        if server is not None:
            return self._mapped.get(server, "auto")
        return self._config.public_address_of(trunk)

    def towards(self, trunk: TrunkConfig, peer_ip: str) -> str:
        """The address to say to one peer of the trunk. Raises OSError without a route to it."""
        address = self.of(trunk)
        return local_address_towards(peer_ip) if address == "auto" else address

    async def refresh(self) -> frozenset[str]:
        """Ask every server again. Returns the trunks whose address is another one now.

        A server that does not answer leaves what was known.
        """
        trunks = self._config.trunks.values()
        before = {trunk.name: self.of(trunk) for trunk in trunks}
        servers = {server for trunk in trunks if (server := self._config.stun_server_of(trunk)) is not None}
        await asyncio.gather(*map(self._ask, servers))
        return frozenset(trunk.name for trunk in trunks if self.of(trunk) != before[trunk.name])

    async def ports(self, trunk: TrunkConfig, pair: PortPair) -> Ports:
        """The ports at which peers reach the pair: its own, unless NAT is seen to map them to others."""
        own = pair.port, pair.port + 1
        server = self._config.stun_server_of(trunk)
        if server is None or server not in self._resolved:
            return own
        asked = (
            stun.bind(sock, self._resolved[server], CALL_DEADLINE_S)
            for sock in (pair.rtp_sock, pair.rtcp_sock)
        )
        try:
            rtp, rtcp = await asyncio.gather(*asked)
        except StunError as error:
            logger.warning("RTP ports %d and %d are taken to be mapped to themselves: %s", *own, error)
            return own
        return rtp.mapped[1], rtcp.mapped[1]

    async def _ask(self, server: ServerAddress) -> None:
        try:
            self._resolved[server] = address = await resolve(server, self._host)
            binding = await stun.discover(address, self._host)
        except (StunError, OSError) as error:
            known = self._mapped.get(server, "none, so that of the route is said")
            logger.warning("STUN server %s: %s (address known: %s)", server, error, known)
            return
        if self._mapped.get(server) != binding.mapped[0]:
            logger.info("STUN server %s sees us at %s", server, binding.mapped[0])
        self._mapped[server] = binding.mapped[0]


async def resolve(server: ServerAddress, host: str) -> Address:
    """The server's address of the family of `host`, ours. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(server.host, server.port, family=family, type=socket.SOCK_DGRAM)
    return str(found[0][4][0]), server.port
