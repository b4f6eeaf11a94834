"""Where requests of ours go: the servers of a peer, best first, and which of them are down. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from sipagent.sip.messages import Transport
from sipagent.sip.srv import DEFAULT_PORTS

#: How long a server that failed us is passed over, unless it is heard of before.
AVOID_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """One server. `host` is its name if it was found by one: the name that its certificate must show."""

    address: str
    port: int
    transport: Transport
    host: str = ""

    @classmethod
    def at(cls, address: str, port: int | None, transport: Transport, host: str = "") -> Self:
        return cls(address, port or DEFAULT_PORTS[transport], transport, host)

    @property
    def is_named(self) -> bool:
        """Is it reached by its name?"""
        return self.transport == "tls" and bool(self.host)

    @property
    def uri(self) -> str:
        """To reach it by. Over TLS by its name, which pjsip compares with that in the certificate."""
        host = self.host if self.is_named else bracketed(self.address)
        suffix = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:{host}:{self.port}{suffix}"

    @property
    def route(self) -> str:
        """A Route that pjsip follows and does not send (`hide`): the request stays addressed as it was."""
        return f"<{self.uri};lr;hide>"

    def __str__(self) -> str:
        return f"{self.transport}:{bracketed(self.address)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reachability:
    """What is known of a target: `is_up` None where nothing is."""

    target: Target
    is_up: bool | None
    rtt_ms: float | None = None


class NextHop:
    """The targets of one peer in the order of preference, and what became of those that were tried."""

    def __init__(self, targets: Iterable[Target] = ()) -> None:
        self.targets: tuple[Target, ...] = tuple(targets)
        self._down_until: dict[Target, float] = {}
        self._heard: dict[Target, float | None] = {}

    def replace(self, targets: Iterable[Target]) -> None:
        """The targets are others now. What is known of those that stay is kept."""
        self.targets = tuple(targets)
        known = set(self.targets)
        self._down_until = {key: value for key, value in self._down_until.items() if key in known}
        self._heard = {key: value for key, value in self._heard.items() if key in known}

    def in_order(self, now: float) -> tuple[Target, ...]:
        """All targets, those first that aren't known to be down; then first the one down longest."""
        up = [target for target in self.targets if not self.is_down(target, now)]
        down = [target for target in self.targets if self.is_down(target, now)]
        return (*up, *sorted(down, key=lambda target: self._down_until[target]))

    def best(self, now: float) -> Target | None:
        return next(iter(self.in_order(now)), None)

    def is_down(self, target: Target, now: float) -> bool:
        return self._down_until.get(target, now) > now

    def note_failure(self, target: Target, now: float, avoid_s: float = AVOID_S) -> None:
        """It did not answer, or would not serve us."""
        self._down_until[target] = now + avoid_s
        self._heard.pop(target, None)

    def note_answer(self, target: Target, rtt_ms: float | None = None) -> None:
        """It is there."""
        self._down_until.pop(target, None)
        self._heard[target] = rtt_ms if rtt_ms is not None else self._heard.get(target)

    def reachability(self, now: float) -> tuple[Reachability, ...]:
        return tuple(self._reachability(target, now) for target in self.targets)

    def _reachability(self, target: Target, now: float) -> Reachability:
        if self.is_down(target, now):
            return Reachability(target, False)
        return Reachability(target, True if target in self._heard else None, self._heard.get(target))


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
