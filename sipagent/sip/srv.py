"""Which server of several to try first, pure: SRV and NAPTR records, and the order that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sipagent.sip.messages import Transport

DEFAULT_PORTS: dict[Transport, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}
_SERVICES: dict[Transport, str] = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_NAPTR_SERVICES: dict[Transport, str] = {"udp": "SIP+D2U", "tcp": "SIP+D2T", "tls": "SIPS+D2T"}


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """One server of a service (RFC 2782). Lower priorities come first."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class NaptrRecord:
    """Where to look on for a service (RFC 3403); only those with flag `s` lead to SRV records."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


def srv_name(domain: str, transport: Transport, naptr: Iterable[NaptrRecord] = ()) -> str:
    """Where a domain's SRV records for a transport are (RFC 3263, 4.1): as NAPTR says, or by convention."""
    ours = [
        record
        for record in naptr
        if record.service.upper() == _NAPTR_SERVICES[transport] and record.flags.lower() == "s"
    ]
    best = min(ours, key=lambda record: (record.order, record.preference), default=None)
    return best.replacement if best is not None else f"{_SERVICES[transport]}.{domain}"


def in_order(records: Iterable[SrvRecord], random: Callable[[], float]) -> tuple[SrvRecord, ...]:
    """The records in the order in which to try them (RFC 2782, page 3); `random` yields numbers in [0, 1)."""
    by_priority = sorted(records, key=lambda record: record.priority)
    groups = (list(group) for _, group in groupby(by_priority, key=lambda record: record.priority))
    return tuple(record for group in groups for record in _by_weight(group, random))


def _by_weight(group: Sequence[SrvRecord], random: Callable[[], float]) -> Iterable[SrvRecord]:
    # Those of weight 0 stand first, so that they have a small chance beside the others.
    left = sorted(group, key=lambda record: record.weight)
    while left:
        threshold, total = random() * sum(record.weight for record in left), 0
        for record in left:
            total += record.weight
            if total >= threshold:
                break
        left.remove(record)
        yield record
