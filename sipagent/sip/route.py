"""Our own addresses, and which of them a peer sees when we send to it without NAT in between."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_interface

import ifaddr

from sipagent.sip.addresses import Interface

#: Addresses come and go, but not with every call.
KNOWN_FOR_S = 1.0


def local_address_towards(peer_ip: str) -> str:
    """The source address of the route to `peer_ip`. Sends nothing. Raises OSError without a route."""
    family = socket.AF_INET6 if ":" in peer_ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((peer_ip, 9))
        address: str = sock.getsockname()[0]
        return address


def interfaces() -> tuple[Interface, ...]:
    """Every address of this machine, with its network."""
    found = (ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return tuple(
        ip_interface(f"{ip.ip if isinstance(ip.ip, str) else ip.ip[0]}/{ip.network_prefix}") for ip in found
    )


class KnownInterfaces:
    """`interfaces`, read again when they were read more than `KNOWN_FOR_S` ago."""

    def __init__(self) -> None:
        self._known: tuple[Interface, ...] = ()
        self._read_at = float("-inf")

    def __call__(self) -> tuple[Interface, ...]:
        now = time.monotonic()
        if now > self._read_at + KNOWN_FOR_S:
            self._known, self._read_at = interfaces(), now
        return self._known
