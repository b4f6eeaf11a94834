"""Names and addresses: what SDP will say, and whether a peer can send audio there."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from rtp.stun import StunError
from sipagent.config import Config, TrunkConfig, plain_ip
from sipagent.doctor import nat
from sipagent.doctor.finding import Finding, fail, ok, warn
from sipagent.doctor.servers import locate_peer
from sipagent.sip.peers import places

#: Stands for the public network where any address may call (a root name server): shows the default route.
ANYWHERE = "198.41.0.4"

SET_IT = "Set public_address to the address under which peers reach this machine."


async def check_public_addresses(config: Config) -> list[Finding]:
    """For every trunk, the address that SDP will say to it."""
    return [await _public_address(config, trunk) for trunk in config.trunks.values()]


async def _public_address(config: Config, trunk: TrunkConfig) -> Finding:
    name, said = f"public address for {trunk.name}", config.public_address_of(trunk)
    server = config.stun_server_of(trunk)
    if server is not None:
        try:
            said = await nat.discovered(config, server)
        except (StunError, OSError) as error:
            fix = "Check stun_server, or write the address itself into public_address."
            return fail(name, f"{server}: {error}", fix)
    try:
        peer = await _address_of_peer(config, trunk)
        local = _route_address(peer)
    except OSError as error:
        if said != "auto":
            return ok(name, f"SDP will say {said}; the peer can't be looked at: {error.strerror or error}")
        fix = f"Mend the name or the route, or write public_address in trunk {trunk.name}."
        return fail(name, f"no route to the peer: {error.strerror or error}", fix)
    return judge(name, local if said == "auto" else said, local, peer)


def judge(name: str, said: str, local: str, peer: str) -> Finding:
    """Can `peer` send to `said`, given that packets to it leave from our address `local`?"""
    detail = f"SDP will say {said}, the route to {peer} leaves from {local}"
    here, there, route = ip_address(said), ip_address(peer), ip_address(local)
    if here.version != there.version:
        return fail(name, f"{detail}: one is IPv4, the other IPv6", SET_IT)
    if here.is_loopback and not there.is_loopback:
        return fail(name, f"{detail}: a loopback address is reached from this machine only", SET_IT)
    if there.is_global and not here.is_global:
        return fail(name, f"{detail}: a private address, but the peer is on the public network", SET_IT)
    if here == route:
        return ok(name, detail)
    if here.is_global and not route.is_global:
        return ok(name, f"{detail}: right behind 1:1 NAT that passes the RTP ports on")
    return warn(name, f"{detail}: not the address that packets leave from", f"{SET_IT} auto may do.")


async def _address_of_peer(config: Config, trunk: TrunkConfig) -> str:
    if found := places(trunk):
        return (await locate_peer(config, trunk, found[0]))[0].address
    address = trunk.allowed_addresses[0].network_address
    return ANYWHERE if address.is_unspecified else str(address)


def _route_address(peer: str) -> str:
    """Our address on the route to `peer`. Connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as route:
        route.connect((peer, 5060))
        return str(plain_ip(route.getsockname()[0]))
