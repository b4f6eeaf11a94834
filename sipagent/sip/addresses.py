"""Addresses in SDP that we must not send RTP to, pure: those that are nobody's, and those too near to us."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
)

from sipagent.errors import BadMediaAddress, SdpError

IpAddress = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

_THIS_NETWORK = IPv4Network("0.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where we are as a trunk's peers see us, and where they are.

    `addresses` are ours and `ports` those that we receive on; `broadcasts` mean all hosts of a network that
    we are in. `peers` are the networks that the trunk's requests may come from: one of loopback or link-local
    addresses makes the trunk a local one.
    """

    addresses: frozenset[IpAddress] = frozenset()
    ports: tuple[range, ...] = ()
    broadcasts: frozenset[IpAddress] = frozenset()
    peers: frozenset[Network] = frozenset()

    @staticmethod
    @lru_cache(maxsize=64)
    def of(
        interfaces: tuple[Interface, ...], public: str, ports: tuple[range, ...], peers: frozenset[Network]
    ) -> Surroundings:
        """From the interfaces of this machine, and the address that is said to peers."""
        broadcasts = (each.network.broadcast_address for each in interfaces if each.network.num_addresses > 2)
        return Surroundings(
            addresses=frozenset({each.ip for each in interfaces} | {ip_address(public)}),
            ports=ports,
            broadcasts=frozenset(each for each in broadcasts if each.version == 4),
            peers=peers,
        )


def media_address(text: str, port: int, our_address: str, around: Surroundings) -> IpAddress:
    """The address to send RTP to, unspecified for a peer on hold. Raises `BadMediaAddress`, `SdpError`."""
    try:
        address = ip_address(text)
    except ValueError:
        raise SdpError("SDP connection address that is not an IP address") from None
    ours = ip_address(our_address)
    if address.version != ours.version:
        raise SdpError(f"SDP offers IPv{address.version}, we don't")
    if why := refusal(address, port, ours, around):
        raise BadMediaAddress(f"SDP with {why}: {address}:{port}")
    return address


def refusal(address: IpAddress, port: int, ours: IpAddress, around: Surroundings) -> str | None:
    """What kind of address it is that nothing must be sent to; None if it is a good one, or unspecified."""
    if address.is_unspecified:
        return None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        return "an IPv4-mapped address, or one of an interface"
    if address.is_multicast:
        return "a multicast address"
    if address in around.broadcasts or _is_nobodys(address):
        return "a broadcast or reserved address"
    if address in around.addresses and any(port in ports for ports in around.ports):
        return "a port of our own"
    if address.is_loopback:
        is_local = ours.is_loopback or any(peer.is_loopback for peer in around.peers)
        return None if is_local else "a loopback address"
    if address.is_link_local:
        return None if any(peer.is_link_local for peer in around.peers) else "a link-local address"
    if address in around.addresses and not any(address in peer for peer in around.peers):
        return "an address of our own"
    return None


def _is_nobodys(address: IpAddress) -> bool:
    """Limited broadcast and the reserved block around it (RFC 1112), and "this network" (RFC 1122)."""
    return isinstance(address, IPv4Address) and (address.is_reserved or address in _THIS_NETWORK)
