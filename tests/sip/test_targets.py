"""Servers of a peer: found by RFC 3263, ordered by RFC 2782, passed over while they are down."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from sipagent.sip.locating import FOREVER_S, IpVersion, Place, locate, place_of
from sipagent.sip.messages import Transport
from sipagent.sip.names import hosts_entries
from sipagent.sip.srv import NaptrRecord, SrvRecord, in_order, srv_name
from sipagent.sip.targets import AVOID_S, NextHop, Target

ONE, TWO = Target("192.0.2.1", 5060, "udp"), Target("192.0.2.2", 5060, "udp")


class Zone:
    """Names with fixed records; whoever isn't there has none, and `lame` names can't be asked for."""

    def __init__(
        self,
        srv: dict[str, list[SrvRecord]] | None = None,
        hosts: dict[str, list[str]] | None = None,
        naptr: dict[str, list[NaptrRecord]] | None = None,
        lame: tuple[str, ...] = (),
    ) -> None:
        self.records, self.hosts, self.pointers, self.lame = srv or {}, hosts or {}, naptr or {}, lame

    async def naptr(self, name: str) -> tuple[list[NaptrRecord], float]:
        return self.pointers.get(name, []), 500.0

    async def srv(self, name: str) -> tuple[list[SrvRecord], float]:
        return self.records.get(name, []), 300.0

    async def addresses(self, host: str, version: IpVersion) -> tuple[list[str], float]:
        if host in self.lame:
            raise OSError(host)
        return [each for each in self.hosts.get(host, []) if (":" in each) == (version == 6)], 60.0


def always_least() -> float:
    return 0.0


def test_lower_priorities_come_first() -> None:
    records = [SrvRecord(20, 0, 5060, "backup"), SrvRecord(10, 0, 5060, "main")]
    assert [record.host for record in in_order(records, always_least)] == ["main", "backup"]


def test_weights_share_what_is_of_one_priority() -> None:
    records = [SrvRecord(1, 75, 5060, "big"), SrvRecord(1, 25, 5060, "small"), SrvRecord(1, 0, 5060, "spare")]
    chance = Random(3263)
    first = Counter(in_order(records, chance.random)[0].host for _ in range(4000))
    assert 0.72 < first["big"] / 4000 < 0.78
    assert first["spare"] < 10
    assert len(in_order(records, chance.random)) == 3


@pytest.mark.parametrize(
    ("transport", "name"),
    [("udp", "_sip._udp.a.example"), ("tcp", "_sip._tcp.a.example"), ("tls", "_sips._tcp.a.example")],
)
def test_srv_names(transport: Transport, name: str) -> None:
    assert srv_name("a.example", transport) == name


def test_naptr_points_elsewhere_for_our_transport_alone() -> None:
    pointers = [
        NaptrRecord(20, 0, "s", "SIP+D2U", "second.example"),
        NaptrRecord(10, 0, "S", "sip+d2u", "first.example"),
        NaptrRecord(5, 0, "s", "SIPS+D2T", "secure.example"),
        NaptrRecord(1, 0, "u", "SIP+D2U", "not-srv.example"),
    ]
    assert srv_name("a.example", "udp", pointers) == "first.example"
    assert srv_name("a.example", "tcp", pointers) == "_sip._tcp.a.example"


async def test_servers_by_srv() -> None:
    zone = Zone(
        srv={"_sip._udp.a.example": [SrvRecord(2, 0, 5080, "b"), SrvRecord(1, 0, 5070, "a")]},
        hosts={"a": ["192.0.2.1", "2001:db8::1"], "b": ["192.0.2.2"]},
    )
    located = await locate(Place("a.example", None, "udp"), 4, zone, always_least)
    assert located.targets == (Target("192.0.2.1", 5070, "udp", "a"), Target("192.0.2.2", 5080, "udp", "b"))
    assert located.ttl_s == 60


async def test_a_port_that_is_written_down_leaves_srv_aside() -> None:
    zone = Zone(srv={"_sip._udp.a.example": [SrvRecord(1, 0, 5070, "a")]}, hosts={"a.example": ["192.0.2.3"]})
    located = await locate(Place("a.example", 5090, "udp"), 4, zone, always_least)
    assert located.targets == (Target("192.0.2.3", 5090, "udp", "a.example"),)


async def test_without_srv_the_host_itself_at_the_usual_port() -> None:
    zone = Zone(hosts={"a.example": ["192.0.2.3", "192.0.2.4"]})
    located = await locate(Place("a.example", None, "tls"), 4, zone, always_least)
    assert [(target.address, target.port) for target in located.targets] == [
        ("192.0.2.3", 5061),
        ("192.0.2.4", 5061),
    ]


async def test_an_address_is_itself_for_ever() -> None:
    located = await locate(Place("2001:db8::1", None, "tcp"), 6, Zone(), always_least)
    assert located == type(located)((Target("2001:db8::1", 5060, "tcp"),), FOREVER_S)
    with pytest.raises(OSError, match="not an IPv4 address"):
        await locate(Place("2001:db8::1", None, "tcp"), 4, Zone(), always_least)


async def test_one_server_that_cannot_be_found_leaves_the_others() -> None:
    srv = {"_sip._udp.a.example": [SrvRecord(1, 0, 5060, "gone"), SrvRecord(2, 0, 5060, "b")]}
    zone = Zone(srv=srv, hosts={"b": ["192.0.2.2"]}, lame=("gone",))
    located = await locate(Place("a.example", None, "udp"), 4, zone, always_least)
    assert [target.host for target in located.targets] == ["b"]
    with pytest.raises(OSError, match="no IPv6 address"):
        await locate(Place("a.example", None, "udp"), 6, zone, always_least)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:a@b.example", Place("b.example", None, "udp")),
        ("sip:B.example:5070", Place("b.example", 5070, "udp")),
        ('"A" <sip:+1;ext=2@[2001:db8::1]:5080;transport=TCP>', Place("2001:db8::1", 5080, "tcp")),
        ("sips:a:pw@b;lr", Place("b", None, "udp")),
        ("tel:+15550100", None),
        ("nonsense", None),
    ],
)
def test_where_a_uri_leads(uri: str, expected: Place | None) -> None:
    assert place_of(uri, "udp") == expected


def test_a_server_that_failed_comes_last_for_a_while() -> None:
    hop = NextHop((ONE, TWO))
    hop.note_failure(ONE, now=100.0)
    assert hop.in_order(100.0) == (TWO, ONE)
    assert hop.best(100.0 + AVOID_S) == ONE


def test_of_servers_that_are_all_down_the_one_down_longest_comes_first() -> None:
    hop = NextHop((ONE, TWO))
    hop.note_failure(TWO, now=100.0)
    hop.note_failure(ONE, now=105.0)
    assert hop.in_order(106.0) == (TWO, ONE)


def test_what_is_known_of_a_server_outlives_a_change_of_the_others() -> None:
    hop = NextHop((ONE,))
    hop.note_answer(ONE, rtt_ms=12.0)
    hop.replace((TWO, ONE))
    known = [(known.target, known.is_up, known.rtt_ms) for known in hop.reachability(0.0)]
    assert known == [(TWO, None, None), (ONE, True, 12.0)]


def test_routes_are_hidden_and_certificates_are_compared_with_names() -> None:
    assert ONE.route == "<sip:192.0.2.1:5060;lr;hide>"
    secure = Target("2001:db8::1", 5061, "tls", "sip1.a.example")
    assert secure.route == "<sip:sip1.a.example:5061;transport=tls;lr;hide>"
    assert str(secure) == "tls:[2001:db8::1]:5061"


def test_names_in_a_hosts_file() -> None:
    text = "# hosts\n127.0.0.1\tlocalhost\n::1 localhost ip6\n192.0.2.9 PBX pbx.lan # here\nbad pbx\n\n"
    assert hosts_entries(text, "localhost") == ["127.0.0.1", "::1"]
    assert hosts_entries(text, "pbx") == ["192.0.2.9"]
    assert hosts_entries(text, "here") == []
