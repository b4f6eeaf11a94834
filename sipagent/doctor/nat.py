"""What a STUN server sees of this machine: the public address, and what NAT does to ports."""

from __future__ import annotations

import socket
from collections.abc import Collection

from rtp import stun
from rtp.address import Address
from rtp.stun import Binding, StunError
from sipagent.config import Config, ServerAddress
from sipagent.doctor.finding import Finding, fail, ok, warn
from sipagent.sip.public_address import resolve
from sipagent.sip.route import interfaces

STUN_DEADLINE_S = 1.0


async def check(config: Config) -> list[Finding]:
    """For every STUN server in use: two bindings of one socket, from two addresses where it has them."""
    servers = {config.stun_server_of(trunk) for trunk in config.trunks.values()} - {None}
    return [await _examine(config, server) for server in sorted(servers, key=str) if server is not None]


async def discovered(config: Config, server: ServerAddress) -> str:
    """Our public address as the server sees it. Raises `StunError`, OSError."""
    host = config.rtp.bind_address
    return (await stun.discover(await resolve(server, host), host, STUN_DEADLINE_S)).mapped[0]


async def _examine(config: Config, server: ServerAddress) -> Finding:
    name, host = f"NAT as {server} sees it", config.rtp.bind_address
    try:
        first, second = await _two_bindings(await resolve(server, host), host)
    except (StunError, OSError) as error:
        fix = "Check the name in stun_server, and that the firewall lets UDP out to it and back."
        return fail(name, str(error), fix)
    return judge(name, first, second, [str(each.ip) for each in interfaces()])


async def _two_bindings(server: Address, host: str) -> tuple[Binding, Binding | None]:
    """Both of the same socket; the second only from a server with a second address (RFC 5780)."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        first = await stun.bind(sock, server, STUN_DEADLINE_S)
        if first.other is None:
            return first, None
        try:
            return first, await stun.bind(sock, first.other, STUN_DEADLINE_S)
        except StunError:
            return first, None


def judge(name: str, first: Binding, second: Binding | None, ours: Collection[str]) -> Finding:
    """What the two bindings say of the NAT between us and the network."""
    (address, port), local_port = first.mapped, first.local[1]
    if address in ours:
        return ok(name, f"{address} is an address of this machine: no NAT")
    if second is not None and second.mapped != first.mapped:
        theirs = f"{address}:{port}, and another host {second.mapped[0]}:{second.mapped[1]}"
        fix = (
            "Forward the SIP port and the RTP range to this machine: behind symmetric NAT nobody can call it."
        )
        return fail(name, f"symmetric NAT: one socket is seen as {theirs}", fix)
    if port != local_port:
        fix = "Forward the SIP port and the RTP range to this machine, under the same numbers."
        return warn(name, f"{address}, but NAT makes port {port} of {local_port}", fix)
    unsure = "" if second is not None else "; whether it is symmetric can't be told from one address"
    return ok(name, f"{address}, ports are kept{unsure}")
