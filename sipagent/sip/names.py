"""Names looked up in DNS without blocking anybody: dnspython, and /etc/hosts before it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from sipagent.config import ServerAddress
from sipagent.sip.locating import FOREVER_S, IpVersion
from sipagent.sip.srv import NaptrRecord, SrvRecord
from sipagent.sip.targets import is_address

HOSTS_FILE = Path("/etc/hosts")
DEADLINE_S = 4.0
#: How long it is believed that there is nothing, where the answer doesn't say.
ABSENT_TTL_S = 60.0
_NOTHING = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)


class DnsNames:
    """Asks `nameservers`, or those of this system if there are none; see `locating.Names`."""

    def __init__(
        self,
        nameservers: Sequence[ServerAddress] = (),
        hosts_file: Path = HOSTS_FILE,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._hosts_file = hosts_file
        self._deadline_s = deadline_s
        self._resolver = _resolver(nameservers)

    @property
    def nameservers(self) -> tuple[str, ...]:
        """Addresses of the name servers that listen on the usual port."""
        return tuple(
            server if isinstance(server, str) else server.address
            for server in self._resolver.nameservers
            if isinstance(server, str)
            or (isinstance(server, dns.nameserver.Do53Nameserver) and server.port == 53)
        )

    async def naptr(self, name: str) -> tuple[list[NaptrRecord], float]:
        records, ttl_s = await self._ask(name, "NAPTR")
        return [
            NaptrRecord(
                record.order,
                record.preference,
                record.flags.decode(errors="replace"),
                record.service.decode(errors="replace"),
                _plain(record.replacement),
            )
            for record in records
        ], ttl_s

    async def srv(self, name: str) -> tuple[list[SrvRecord], float]:
        records, ttl_s = await self._ask(name, "SRV")
        found = [SrvRecord(each.priority, each.weight, each.port, _plain(each.target)) for each in records]
        return [each for each in found if each.host], ttl_s  # "." says that there is no such service

    async def addresses(self, host: str, version: IpVersion) -> tuple[list[str], float]:
        if is_address(host):
            return ([host] if ip_address(host).version == version else []), FOREVER_S
        text = await asyncio.to_thread(_read, self._hosts_file)
        if listed := hosts_entries(text, host):
            return [each for each in listed if ip_address(each).version == version], ABSENT_TTL_S
        records, ttl_s = await self._ask(host, "A" if version == 4 else "AAAA")
        return [str(record.address) for record in records], ttl_s

    async def _ask(self, name: str, kind: str) -> tuple[list[Any], float]:
        try:
            answer = await self._resolver.resolve(
                name, kind, search="." not in name, lifetime=self._deadline_s
            )
        except _NOTHING:
            return [], ABSENT_TTL_S
        except dns.exception.DNSException as error:
            raise OSError(f"{name} ({kind}) can't be looked up: {error}") from error
        return list(answer), float(answer.rrset.ttl) if answer.rrset else ABSENT_TTL_S


def hosts_entries(text: str, host: str) -> list[str]:
    """The addresses that a hosts file (hosts(5)) has for a name."""
    found = []
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if host.lower() in (name.lower() for name in names) and is_address(address):
            found.append(address)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _resolver(nameservers: Sequence[ServerAddress]) -> dns.asyncresolver.Resolver:
    if not nameservers:
        try:
            return dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:  # a machine without DNS: hosts file and addresses
            return dns.asyncresolver.Resolver(configure=False)
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(each.host, each.port) for each in nameservers]
    return resolver


def _plain(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).rstrip(".")
