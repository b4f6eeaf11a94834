"""Where a call's media is: what we say of ourselves in SDP, and where we send nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from socket import AF_INET, AF_INET6

from rtp.ports import PortPair, PortsExhausted
from sipagent.call.house import House
from sipagent.config import Config, TrunkConfig
from sipagent.errors import NoRtpPort
from sipagent.sip import negotiation
from sipagent.sip.addresses import Network, Surroundings
from sipagent.sip.locating import place_of
from sipagent.sip.messages import LocalMedia
from sipagent.sip.sdp import SessionDescription
from sipagent.sip.targets import is_address


@contextmanager
def rtp_ports(house: House) -> Iterator[PortPair]:
    """A pair of ports for as long as a leg needs it. Raises `NoRtpPort`."""
    try:
        pair = house.ports.acquire(time.monotonic())
    except PortsExhausted as error:
        raise NoRtpPort(str(error)) from error
    try:
        yield pair
    finally:
        house.ports.release(pair, time.monotonic())


async def local_media(
    house: House, trunk: TrunkConfig, peer_ip: str, offer: SessionDescription | None, pair: PortPair
) -> LocalMedia:
    """What we are to a peer that calls over this trunk, with this offer or, with none, a late one.

    Raises `SdpError` for an offer that can't be taken, OSError without a route to the peer.
    """
    local = await _media_towards(house, trunk, peer_ip, pair)
    if offer is not None:
        negotiation.check_offer(offer, local)
    return local


async def outgoing_media(house: House, trunk: TrunkConfig, to_uri: str, pair: PortPair) -> LocalMedia:
    """What we are to a peer that we call over this trunk. Raises OSError without a route to it."""
    registrars = house.registered_sources().get(trunk.name)
    if registrars:
        return await _media_towards(house, trunk, min(registrars), pair)
    peer = place_of(trunk.proxy or to_uri, trunk.transport)
    if peer is None:
        raise OSError(f"{to_uri} names no host")
    peer_ip = peer.host
    if not is_address(peer_ip):
        peer_ip = await _address_of(peer_ip, house.config.rtp.bind_address)
    return await _media_towards(house, trunk, peer_ip, pair)


async def _address_of(host: str, ours: str) -> str:
    """An address of this host, of the family of ours. Raises OSError."""
    family = AF_INET6 if ":" in ours else AF_INET
    found = await asyncio.get_running_loop().getaddrinfo(host, None, family=family)
    return str(found[0][4][0])


async def _media_towards(house: House, trunk: TrunkConfig, peer_ip: str, pair: PortPair) -> LocalMedia:
    address = house.addresses.towards(trunk, peer_ip)
    rtp_port, rtcp_port = await house.addresses.ports(trunk, pair)
    around = Surroundings.of(
        house.addresses.interfaces(),
        address,
        listening_ports(house.config),
        peers(trunk, house.registered_sources().get(trunk.name, frozenset())),
    )
    return LocalMedia(
        address, rtp_port, rtcp_port, trunk.codecs, trunk.ptime_ms, srtp=trunk.srtp, around=around
    )


def listening_ports(config: Config) -> tuple[range, ...]:
    """The UDP ports that we receive on."""
    sip, rtp = config.sip.listen_udp, config.rtp
    media = range(rtp.first_port, rtp.last_port + 1)
    return (media, range(sip.port, sip.port + 1)) if sip is not None else (media,)


def peers(trunk: TrunkConfig, registrars: frozenset[str]) -> frozenset[Network]:
    """The networks that a trunk's requests come from."""
    return frozenset(trunk.allowed_addresses) | frozenset(map(ip_network, registrars))
