"""Which of our addresses a peer sees when we send to it without NAT in between."""

from __future__ import annotations

import socket


def local_address_towards(peer_ip: str) -> str:
    """The source address of the route to `peer_ip`. Sends nothing. Raises OSError without a route."""
    family = socket.AF_INET6 if ":" in peer_ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((peer_ip, 9))
        address: str = sock.getsockname()[0]
        return address
