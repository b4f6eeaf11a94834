"""Which addresses belong to which trunk: those it is configured with, and those its registrar resolves to."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sipagent.config import TrunkConfig

logger = logging.getLogger("sipagent.sip")

Network = IPv4Network | IPv6Network


class Sources:
    """The known source networks of every trunk. `refresh` is to be called now and then: providers move."""

    def __init__(self, trunks: Mapping[str, TrunkConfig]) -> None:
        self._configured = {name: frozenset(trunk.allowed_addresses) for name, trunk in trunks.items()}
        self._resolved: dict[str, frozenset[Network]] = {}
        self._registrars = {name: host for name, trunk in trunks.items() if (host := _registrar_host(trunk))}

    def of(self, trunk: str) -> frozenset[Network]:
        return self._configured[trunk] | self._resolved.get(trunk, frozenset())

    def resolved(self, trunk: str) -> frozenset[str]:
        """The addresses of a trunk's registrar, as last resolved."""
        return frozenset(str(network.network_address) for network in self._resolved.get(trunk, ()))

    def all(self) -> frozenset[Network]:
        return frozenset(network for trunk in self._configured for network in self.of(trunk))

    def trunk_at(self, address: str) -> str | None:
        """The trunk that an address belongs to; of several, the one that names it most narrowly."""
        found = sorted(self._matches(address), reverse=True)
        return found[0][1] if found else None

    async def refresh(self) -> None:
        """Resolve the registrars again. One that can't be resolved keeps the addresses it had."""
        await asyncio.gather(*(self._resolve(trunk, host) for trunk, host in self._registrars.items()))

    async def _resolve(self, trunk: str, host: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except OSError as error:
            logger.warning("trunk %s: registrar %s can't be resolved: %s", trunk, host, error)
        else:
            self._resolved[trunk] = frozenset(ip_network(address[4][0]) for address in found)

    def _matches(self, address: str) -> Iterator[tuple[int, str]]:
        ip = ip_address(address)
        for trunk in self._configured:
            for network in self.of(trunk):
                if ip in network:
                    yield network.prefixlen, trunk


def _registrar_host(trunk: TrunkConfig) -> str | None:
    return trunk.registration.host if trunk.registration else None
