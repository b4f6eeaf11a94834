"""systemd/nftables.conf under traffic, in a namespace: strangers are limited, trunks and RTP are not."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support.namespaces import IS_ROOT, Namespace

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not IS_ROOT, reason="namespaces need root")]

RULES = Path(__file__).parents[2] / "systemd/nftables.conf"
SERVER, STRANGER, OTHER, TRUNK = "127.0.0.1", "127.0.0.66", "127.0.0.77", "127.0.0.10"
SIP_PORT, RTP_PORT = 5060, 20000
PER_S, BURST, MOST_CONNECTIONS = 50, 100, 16
SENT = 2000


@pytest.fixture
def place() -> Iterator[Namespace]:
    """A namespace with these rules, whose trunk is TRUNK."""
    namespace = Namespace("filter")
    try:
        rules, changed = re.subn(r"203\.0\.113\.0/24", f"{TRUNK}/32", RULES.read_text())
        assert changed == 1
        namespace.run("nft", "-f", "-", stdin=rules)
        yield namespace
    finally:
        namespace.delete()


def udp(place: Namespace, host: str, port: int) -> socket.socket:
    with place.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    sock.setblocking(False)
    return sock


def arrived(place: Namespace, source: str, port: int) -> tuple[int, float]:
    """How many of SENT datagrams get through, and how long that took."""
    with udp(place, SERVER, port) as server, udp(place, source, 0) as client:
        began, count = time.monotonic(), 0
        for _ in range(SENT):
            with contextlib.suppress(PermissionError):  # loopback tells the sender what is dropped
                client.sendto(b"OPTIONS sip:x SIP/2.0\r\n\r\n", (SERVER, port))
            with contextlib.suppress(BlockingIOError):
                count += len(server.recv(100)) > 0
        return count, time.monotonic() - began


def test_a_stranger_is_limited_and_nobody_else(place: Namespace) -> None:
    count, took_s = arrived(place, STRANGER, SIP_PORT)
    assert BURST <= count <= BURST + PER_S * took_s + 2
    assert arrived(place, TRUNK, SIP_PORT)[0] == SENT
    with udp(place, SERVER, SIP_PORT) as server, udp(place, OTHER, 0) as client:
        client.sendto(b"one", (SERVER, SIP_PORT))
        assert server.recv(100) == b"one"


def test_rtp_is_not_limited(place: Namespace) -> None:
    assert arrived(place, STRANGER, RTP_PORT)[0] == SENT


def test_a_banned_source_is_not_heard(place: Namespace) -> None:
    place.run("nft", "add", "element", "inet", "sipagent", "banned4", f"{{ {STRANGER} timeout 1h }}")
    assert arrived(place, STRANGER, SIP_PORT)[0] == 0


async def connected(place: Namespace, source: str, count: int) -> int:
    """How many of so many connections come about."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            with place.entered():
                client = stack.enter_context(socket.socket())
            client.bind((source, 0))
            client.setblocking(False)
            clients.append(client)
        connecting = [loop.create_task(loop.sock_connect(each, (SERVER, SIP_PORT))) for each in clients]
        done, waiting = await asyncio.wait(connecting, timeout=0.8)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return sum(task.exception() is None for task in done)


async def test_a_stranger_holds_few_connections_and_a_trunk_as_many_as_it_wants(place: Namespace) -> None:
    with place.entered():
        listener = socket.socket()
    with listener:
        listener.bind((SERVER, SIP_PORT))
        listener.listen(200)
        assert await connected(place, STRANGER, 40) == MOST_CONNECTIONS
        assert await connected(place, TRUNK, 40) == 40
