"""Transport addresses: a plain (host, port) tuple, the same for IPv4 and IPv6."""

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
