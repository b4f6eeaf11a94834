"""The servers of a peer by the rules of RFC 3263; the transport is configured, so it is not asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, Protocol

from sipagent.sip.messages import Transport
from sipagent.sip.srv import NaptrRecord, SrvRecord, in_order, srv_name
from sipagent.sip.targets import Target, is_address

IpVersion = Literal[4, 6]
#: What no name server said: an address that is written down does not run out.
FOREVER_S = float("inf")
#: How soon a server is looked up again whose name could not be.
LAME_TTL_S = 30.0


_TRANSPORTS: dict[str, Transport] = {"udp": "udp", "tcp": "tcp", "tls": "tls"}
_URI = re.compile(
    r"sips?:(?:[^@<>]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?"
    r"(?:[^<>]*?;transport=(?P<transport>\w+))?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Whom to look for: a host or domain, and a port if one is written down."""

    host: str
    port: int | None
    transport: Transport


def place_of(uri: str, transport: Transport) -> Place | None:
    """Where a SIP URI leads, perhaps in angle brackets; None if it has no host that can be read."""
    match = _URI.search(uri)
    if match is None:
        return None
    host, port = match["host"].strip("[]").lower(), match["port"]
    named = (match["transport"] or transport).lower()
    return Place(host, int(port) if port else None, _TRANSPORTS.get(named, transport))


@dataclass(frozen=True, slots=True)
class Located:
    """The targets, best first; they may be used for `ttl_s`."""

    targets: tuple[Target, ...]
    ttl_s: float


class Names(Protocol):
    """A resolver. Each method returns what there is, perhaps nothing, and its time to live in seconds.

    Raises OSError where that can't be found out.
    """

    async def naptr(self, name: str) -> tuple[list[NaptrRecord], float]: ...

    async def srv(self, name: str) -> tuple[list[SrvRecord], float]: ...

    async def addresses(self, host: str, version: IpVersion) -> tuple[list[str], float]: ...


async def locate(place: Place, version: IpVersion, names: Names, random: Callable[[], float]) -> Located:
    """Find a peer's servers of one IP version, in the order in which to try them.

    Raises OSError if they can't be found out, or there are none.
    """
    if is_address(place.host):
        if ip_address(place.host).version != version:
            raise OSError(f"{place.host} is not an IPv{version} address")
        return Located((Target.at(place.host, place.port, place.transport),), FOREVER_S)
    located = None if place.port is not None else await _by_service(place, version, names, random)
    if located is None:
        located = await _by_host(place, version, names)
    if not located.targets:
        raise OSError(f"{place.host} has no IPv{version} address")
    return located


async def _by_service(
    place: Place, version: IpVersion, names: Names, random: Callable[[], float]
) -> Located | None:
    try:
        naptr, naptr_ttl_s = await names.naptr(place.host)
    except OSError:  # they are rarely there, and servers that don't know the type refuse to speak of it
        naptr, naptr_ttl_s = [], LAME_TTL_S
    records, ttl_s = await names.srv(srv_name(place.host, place.transport, naptr))
    if not records:
        return None
    targets: list[Target] = []
    for record in in_order(records, random):
        try:
            found, address_ttl_s = await names.addresses(record.host, version)
        except OSError:
            ttl_s = min(ttl_s, LAME_TTL_S)  # one server that can't be found doesn't take the others along
            continue
        ttl_s = min(ttl_s, address_ttl_s)
        targets += (Target(address, record.port, place.transport, record.host) for address in found)
    return Located(tuple(targets), min(ttl_s, naptr_ttl_s) if naptr else ttl_s)


async def _by_host(place: Place, version: IpVersion, names: Names) -> Located:
    found, ttl_s = await names.addresses(place.host, version)
    return Located(
        tuple(Target.at(address, place.port, place.transport, place.host) for address in found), ttl_s
    )
