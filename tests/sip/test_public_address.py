"""Where peers are told to reach us, with a STUN server played by the test."""

from __future__ import annotations

import logging
from ipaddress import ip_interface
from typing import Any

import pytest

from rtp import stun
from rtp.address import Address
from rtp.ports import PortPair, PortPool
from rtp.stun import Binding, StunTimeout
from sipagent.config import Config
from sipagent.sip.public_address import PublicAddresses
from sipagent.sip.route import interfaces

FIRST, SECOND = "203.0.113.5", "203.0.113.6"


class FakeStun:
    """Sees every socket at `address`, its port moved by `shift`; silent without an address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.address: str | None = FIRST
        self.shift = 0
        monkeypatch.setattr(stun, "discover", self.discover)
        monkeypatch.setattr(stun, "bind", self.bind)

    async def discover(self, server: Address, host: str, deadline_s: float = 0) -> Binding:
        return self._see(("0.0.0.0", 40_000))

    async def bind(self, sock: Any, server: Address, deadline_s: float = 0) -> Binding:
        return self._see(sock.getsockname())

    def _see(self, local: Address) -> Binding:
        if self.address is None:
            raise StunTimeout("no answer")
        return Binding(local, (self.address, local[1] + self.shift))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeStun:
    return FakeStun(monkeypatch)


def config(**trunks: dict[str, Any]) -> Config:
    peers = {name: {"name": name, "allowed_addresses": ["203.0.113.9"], **t} for name, t in trunks.items()}
    return Config.model_validate({"stun_server": "127.0.0.1", "trunks": peers})


@pytest.fixture
def pair() -> Any:
    pool = PortPool("127.0.0.1", 10_000, 10_999)
    yield pool.acquire(0.0)
    pool.close()


def test_the_interfaces_of_this_machine() -> None:
    assert ip_interface("127.0.0.1/8") in interfaces()


async def test_each_trunk_has_its_own(server: FakeStun) -> None:
    made = config(a={}, b={"public_address": "198.51.100.1"}, c={"public_address": "stun"})
    addresses = PublicAddresses(made)
    assert await addresses.refresh() == {"c"}
    assert [addresses.of(trunk) for trunk in made.trunks.values()] == ["auto", "198.51.100.1", FIRST]
    assert addresses.towards(made.trunks["a"], "127.0.0.9") == "127.0.0.1"
    assert addresses.towards(made.trunks["c"], "127.0.0.9") == FIRST


async def test_a_change_is_told_once(server: FakeStun) -> None:
    made = config(a={}, c={"public_address": "stun"})
    addresses = PublicAddresses(made)
    await addresses.refresh()
    assert await addresses.refresh() == frozenset()
    server.address = SECOND
    assert await addresses.refresh() == {"c"}
    assert addresses.of(made.trunks["c"]) == SECOND


async def test_a_silent_server_changes_nothing(server: FakeStun, caplog: pytest.LogCaptureFixture) -> None:
    made = config(c={"public_address": "stun"})
    addresses = PublicAddresses(made)
    server.address = None
    with caplog.at_level(logging.WARNING, "sipagent.sip"):
        assert await addresses.refresh() == frozenset()
    assert addresses.of(made.trunks["c"]) == "auto"
    assert "none, so that of the route is said" in caplog.text
    server.address = FIRST
    await addresses.refresh()
    server.address = None
    assert await addresses.refresh() == frozenset()
    assert addresses.of(made.trunks["c"]) == FIRST


async def test_ports_as_they_are_mapped(server: FakeStun, pair: PortPair) -> None:
    made = config(a={}, c={"public_address": "stun"})
    addresses = PublicAddresses(made)
    own = pair.port, pair.port + 1
    assert await addresses.ports(made.trunks["c"], pair) == own  # nobody has resolved the server yet
    await addresses.refresh()
    server.shift = 7
    assert await addresses.ports(made.trunks["c"], pair) == (own[0] + 7, own[1] + 7)
    assert await addresses.ports(made.trunks["a"], pair) == own
    server.address = None
    assert await addresses.ports(made.trunks["c"], pair) == own
