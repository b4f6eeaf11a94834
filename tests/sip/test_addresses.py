"""Where we send no RTP to, whatever SDP says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from sipagent.errors import BadMediaAddress, ReasonCode, SdpError
from sipagent.sip.addresses import Surroundings, media_address

PUBLIC = "198.51.100.1"
RTP_PORT, OTHER_PORT = 20_002, 40_000
INTERFACES = tuple(
    map(
        ip_interface,
        ("127.0.0.1/8", "10.1.2.3/24", "192.0.2.1/31", "::1/128", "2001:db8::1/64", "fe80::1/64"),
    )
)


def around(*peers: str) -> Surroundings:
    return Surroundings.of(INTERFACES, PUBLIC, (range(20_000, 30_000),), frozenset(map(ip_network, peers)))


def said(address: str, port: int = OTHER_PORT, peers: Surroundings | None = None, ours: str = PUBLIC) -> str:
    ours = "2001:db8::1" if ":" in address and "." in ours else ours
    return str(media_address(address, port, ours, peers or around("203.0.113.0/24", "0.0.0.0/0", "::/0")))


@pytest.mark.parametrize(
    "address", ["203.0.113.7", "10.1.2.4", "192.168.1.5", "2001:db8::2", "0.0.0.0", "::"]
)
def test_a_peer_may_be_anywhere_else(address: str) -> None:
    assert said(address) == address


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::2", "link-local"),
        ("fe80::2%eth0", "of an interface"),
        ("::ffff:203.0.113.7", "IPv4-mapped"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("10.1.2.255", "broadcast"),
        ("0.0.0.1", "reserved"),
        ("240.0.0.1", "reserved"),
    ],
)
def test_kinds_of_addresses_that_are_refused(address: str, kind: str) -> None:
    with pytest.raises(BadMediaAddress, match=kind) as caught:
        said(address)
    assert (caught.value.sip_status, caught.value.reason_code) == (488, ReasonCode.BAD_MEDIA_ADDRESS)


@pytest.mark.parametrize("address", [PUBLIC, "10.1.2.3", "2001:db8::1"])
def test_our_own_addresses_are_refused(address: str) -> None:
    with pytest.raises(BadMediaAddress, match="of our own"):
        said(address, peers=around("203.0.113.7"))


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("127.0.0.5", "127.0.0.1"),
        ("::1", "::1"),
        ("169.254.1.1", "169.254.0.0/16"),
        ("fe80::2", "fe80::/64"),
        ("10.1.2.3", "10.1.2.0/24"),
    ],
)
def test_a_local_trunk_names_local_addresses(address: str, peer: str) -> None:
    assert said(address, peers=around(peer)) == address
    with pytest.raises(BadMediaAddress):
        said(address, peers=around("203.0.113.7"))


@pytest.mark.parametrize(("address", "peer"), [("127.0.0.1", "127.0.0.1"), ("10.1.2.3", "10.1.2.0/24")])
def test_nobody_makes_us_send_to_ports_that_we_receive_on(address: str, peer: str) -> None:
    with pytest.raises(BadMediaAddress, match="port of our own"):
        said(address, RTP_PORT, around(peer))


def test_whoever_is_told_a_loopback_address_is_on_this_machine() -> None:
    assert said("127.0.0.1", peers=replace(around(), addresses=frozenset()), ours="127.0.0.1") == "127.0.0.1"


def test_point_to_point_links_have_no_broadcast_address() -> None:
    assert said("192.0.2.0") == "192.0.2.0"


@pytest.mark.parametrize("address", ["host.example", "2001:db8::2"])
def test_what_is_no_address_of_our_family_is_a_bad_offer(address: str) -> None:
    with pytest.raises(SdpError) as caught:
        media_address(address, OTHER_PORT, PUBLIC, around())
    assert caught.value.reason_code is ReasonCode.BAD_OFFER
