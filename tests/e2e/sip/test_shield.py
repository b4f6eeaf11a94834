"""What the kernel lets through to the listeners, on loopback: the same machine under many addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

import pytest

from sipagent.config import SipConfig
from sipagent.sip.bpf import SAMPLE
from sipagent.sip.flood import FLOOD_PER_S
from sipagent.sip.shield import Shield

pytestmark = pytest.mark.e2e

REQUEST, RESPONSE = b"OPTIONS sip:x SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n"


def udp(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


def received(sock: socket.socket) -> Iterator[bytes]:
    """What waits; loopback delivers before `sendto` returns."""
    while True:
        try:
            yield sock.recv(4096)
        except BlockingIOError:
            return


def shield(listener: socket.socket, networks: Iterable[str]) -> Shield:
    """During a flood."""
    host, port = listener.getsockname()[:2]
    made = Shield()
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = "listen_udp" if listener.type == socket.SOCK_DGRAM else "listen_tcp"
    made.open(SipConfig.model_validate({"listen_udp": None, name: where}))
    made.allow(frozenset(map(ip_network, networks)))
    made.look(0, 0.0)
    made.look(int(2 * FLOOD_PER_S), 1.0)
    assert made.is_up
    return made


@pytest.mark.parametrize(
    ("networks", "passes"),
    [
        (["127.0.0.9/32"], True),
        (["127.0.0.8/30", "192.0.2.0/24"], True),
        (["192.0.2.0/24", "127.0.0.0/8"], True),
        (["0.0.0.0/0"], True),
        (["127.0.0.8/32", "127.0.0.10/31"], False),
        (["::/0"], False),
        ([], False),
    ],
)
def test_ipv4_sources(networks: list[str], passes: bool) -> None:
    with udp("127.0.0.1") as listener, udp("127.0.0.9") as peer:
        guarding = shield(listener, networks)
        for _ in range(20 * SAMPLE):
            peer.sendto(REQUEST, listener.getsockname())
            if list(received(listener)) != [REQUEST] * passes:
                break
        else:
            assert passes, "no sample came through"
        guarding.close()


@pytest.mark.parametrize(
    ("networks", "passes"),
    [
        (["::1/128"], True),
        (["2001:db8::/32", "::/127"], True),
        (["::/0"], True),
        (["::2/128", "2001:db8::/33"], False),
        (["0.0.0.0/0"], False),
    ],
)
def test_ipv6_sources(networks: list[str], passes: bool) -> None:
    with udp("::1") as listener, udp("::1") as peer:
        guarding = shield(listener, networks)
        for _ in range(10):
            peer.sendto(REQUEST, listener.getsockname())
        arrived = len(list(received(listener)))
        assert arrived == 10 if passes else arrived <= 3
        guarding.close()


def test_responses_pass_and_so_does_everything_once_the_flood_is_over() -> None:
    with udp("127.0.0.1") as listener, udp("127.0.0.9") as peer:
        guarding = shield(listener, [])
        peer.sendto(RESPONSE, listener.getsockname())
        assert list(received(listener)) == [RESPONSE]
        guarding.look(int(2 * FLOOD_PER_S), 60.0)
        assert not guarding.is_up
        peer.sendto(REQUEST, listener.getsockname())
        assert list(received(listener)) == [REQUEST]
        guarding.close()


def test_no_connection_from_elsewhere() -> None:
    with socket.socket() as listener, socket.socket() as known, socket.socket() as stranger:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        guarding = shield(listener, ["127.0.0.2/32"])
        known.bind(("127.0.0.2", 0))
        known.connect(listener.getsockname())
        stranger.bind(("127.0.0.9", 0))
        stranger.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stranger.connect(listener.getsockname())
        guarding.close()


def test_more_networks_than_a_program_holds(caplog: pytest.LogCaptureFixture) -> None:
    with udp("127.0.0.1") as listener, udp("127.0.0.9") as peer:
        guarding = shield(listener, [f"10.{high}.{low}.1/32" for high in range(8) for low in range(256)])
        peer.sendto(REQUEST, listener.getsockname())
        assert list(received(listener)) == [REQUEST]
        assert "no filter in the kernel: 2048 networks" in caplog.text
        guarding.close()
