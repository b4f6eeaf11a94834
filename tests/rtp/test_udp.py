import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from rtp.address import Address, plain_address
from rtp.ports import PortPair
from rtp.udp import MAX_WAITING, MOST_FRESH, UdpPair
from tests.rtp.test_ports import pool_of


class Peer:
    """A UDP pair under test, what it received, and a plain socket to talk to it."""

    def __init__(self, ports: PortPair, *, skips_old: bool = False) -> None:
        self.rtp: list[tuple[bytes, Address]] = []
        self.rtcp: list[tuple[bytes, Address]] = []
        self.pair = UdpPair(ports.rtp_sock, ports.rtcp_sock, self._on_rtp, self._on_rtcp, skips_old=skips_old)
        self.port = ports.port
        self._arrived = asyncio.Event()
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.1", 0))
        self.phone.settimeout(2)

    def say(self, data: bytes, port: int | None = None) -> None:
        self.phone.sendto(data, ("127.0.0.1", port or self.port))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what has arrived fulfils the condition."""
        async with asyncio.timeout(2):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    def _on_rtp(self, data: bytes, addr: Address, now: float) -> None:
        assert now > 0
        self.rtp.append((data, addr))
        self._arrived.set()

    def _on_rtcp(self, data: bytes, addr: Address, now: float) -> None:
        self.rtcp.append((data, addr))
        self._arrived.set()


@pytest.fixture
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """With a parameter, one that skips what is old."""
    pool = pool_of(1)
    peer = Peer(pool.acquire(0.0), skips_old=getattr(request, "param", False))
    yield peer
    peer.pair.close()
    peer.phone.close()
    pool.close()


async def test_datagrams_arrive_with_their_source(peer: Peer) -> None:
    peer.pair.open()
    peer.say(b"rtp")
    peer.say(b"rtcp", peer.port + 1)
    await peer.until(lambda: bool(peer.rtp and peer.rtcp))
    assert peer.rtp == [(b"rtp", peer.phone.getsockname())]
    assert peer.rtcp == [(b"rtcp", peer.phone.getsockname())]


async def test_datagrams_are_sent_from_their_ports(peer: Peer) -> None:
    peer.pair.send(b"rtp", peer.phone.getsockname())
    peer.pair.send_rtcp(b"rtcp", peer.phone.getsockname())
    assert peer.phone.recvfrom(100) == (b"rtp", ("127.0.0.1", peer.port))
    assert peer.phone.recvfrom(100) == (b"rtcp", ("127.0.0.1", peer.port + 1))


async def test_steady_rtp_leaves_room_for_others(peer: Peer) -> None:
    for _ in range(3 * MAX_WAITING):
        peer.say(b"rtp")
    peer.pair.open()
    await peer.until(lambda: bool(peer.rtp))
    assert len(peer.rtp) == 1
    await peer.until(lambda: len(peer.rtp) == 3 * MAX_WAITING)


async def test_what_waits_can_be_received_at_once(peer: Peer) -> None:
    peer.pair.open()
    for _ in range(3):
        peer.say(b"rtp")
    peer.pair.receive_waiting()
    assert len(peer.rtp) == 3


@pytest.mark.parametrize("peer", [True], indirect=True)
async def test_what_has_waited_for_long_is_skipped_and_what_comes_later_is_not(peer: Peer) -> None:
    for number in range(MOST_FRESH + 5):
        peer.say(b"old %d" % number)
    peer.pair.open()
    peer.say(b"new")
    await peer.until(lambda: len(peer.rtp) > 0)
    assert [data for data, _ in peer.rtp] == [b"new"]
    assert peer.pair.skipped == MOST_FRESH + 5
    peer.pair.deliver_to(lambda data, addr, now: None, lambda data, addr, now: None)
    assert peer.pair.skipped == MOST_FRESH + 5


@pytest.mark.parametrize("peer", [True], indirect=True)
async def test_what_came_in_just_now_is_not_old(peer: Peer) -> None:
    for number in range(MOST_FRESH):
        peer.say(b"%d" % number)
    peer.pair.open()
    assert [data for data, _ in peer.rtp] == [b"%d" % number for number in range(MOST_FRESH)]
    assert {addr for _, addr in peer.rtp} == {peer.phone.getsockname()}
    assert peer.pair.skipped == 0


async def test_a_pair_that_skips_nothing_receives_all_that_waited(peer: Peer) -> None:
    for _ in range(MOST_FRESH + 5):
        peer.say(b"rtp")
    peer.pair.open()
    await peer.until(lambda: len(peer.rtp) == MOST_FRESH + 5)
    assert peer.pair.skipped == 0


async def test_a_closed_port_at_the_peer_kills_nothing(peer: Peer) -> None:
    peer.pair.open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        closed = gone.getsockname()
    for _ in range(3):
        peer.pair.send(b"to nobody", closed)
    peer.say(b"still here")
    await peer.until(lambda: bool(peer.rtp))
    assert peer.rtp[-1][0] == b"still here"


async def test_what_cannot_be_sent_is_counted(peer: Peer) -> None:
    peer.pair.send(b"x" * 70_000, peer.phone.getsockname())
    assert peer.pair.send_errors == 1


async def test_nothing_is_received_before_open_or_after_close(peer: Peer) -> None:
    peer.say(b"early")
    one_turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(one_turn.set)
    await one_turn.wait()
    assert not peer.rtp
    peer.pair.open()
    await peer.until(lambda: bool(peer.rtp))
    peer.pair.close()
    peer.pair.close()
    peer.pair.send(b"late", peer.phone.getsockname())
    assert peer.pair.send_errors == 1


def test_it_works_under_uvloop() -> None:
    async def echo() -> None:
        pool = pool_of(1)
        peer = Peer(pool.acquire(0.0))
        peer.pair.open()
        peer.say(b"hello")
        await peer.until(lambda: bool(peer.rtp))
        peer.pair.send(*peer.rtp[0])
        assert peer.phone.recv(100) == b"hello"
        peer.pair.close()
        peer.phone.close()
        pool.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(echo())


def test_mapped_addresses_are_ipv4() -> None:
    assert plain_address(("::ffff:192.0.2.1", 4000, 0, 0)) == ("192.0.2.1", 4000)
    assert plain_address(("2001:db8::1", 4000, 0, 0)) == ("2001:db8::1", 4000)
