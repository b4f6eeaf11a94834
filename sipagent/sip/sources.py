"""Which addresses belong to which trunk: those it is configured with, and those its registrar is found at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sipagent.config import TrunkConfig

Network = IPv4Network | IPv6Network


class Sources:
    """The known source networks of every trunk. `resolved` tells the addresses of its registrar and proxy."""

    def __init__(
        self,
        trunks: Mapping[str, TrunkConfig],
        resolved: Callable[[str], frozenset[str]] = lambda _: frozenset(),
    ) -> None:
        self._configured = {name: frozenset(trunk.allowed_addresses) for name, trunk in trunks.items()}
        self._resolved = resolved

    def of(self, trunk: str) -> frozenset[Network]:
        return self._configured[trunk] | frozenset(map(ip_network, self._resolved(trunk)))

    def all(self) -> frozenset[Network]:
        return frozenset(network for trunk in self._configured for network in self.of(trunk))

    def trunk_at(self, address: str) -> str | None:
        """The trunk that an address belongs to; of several, the one that names it most narrowly."""
        found = sorted(self._matches(address), reverse=True)
        return found[0][1] if found else None

    def _matches(self, address: str) -> Iterator[tuple[int, str]]:
        ip = ip_address(address)
        for trunk in self._configured:
            for network in self.of(trunk):
                if ip in network:
                    yield network.prefixlen, trunk
