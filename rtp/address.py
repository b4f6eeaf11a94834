"""Transport addresses: a plain (host, port) tuple, the same for IPv4 and IPv6."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Any

Address = tuple[str, int]

_MAPPED_PREFIX = "::ffff:"


def plain_address(addr: tuple[Any, ...]) -> Address:
    """The (host, port) of what recvfrom() returned; IPv4-mapped hosts become IPv4 (RFC 4291, 2.5.5.2)."""
    host: str = addr[0]
    if len(addr) == 2:
        return host, addr[1]
    if host.startswith(_MAPPED_PREFIX):
        host = host[len(_MAPPED_PREFIX) :]
    return host, addr[1]


def could_be(known: str, host: str) -> bool:
    """Could a peer at `known` be seen as coming from there, rather than as `host`? Not from behind a NAT:
    a private address says nothing about packets of the public network."""
    return not _is_private(known) or _is_private(host)


@lru_cache(maxsize=256)
def _is_private(host: str) -> bool:
    return ip_address(host.partition("%")[0]).is_private
