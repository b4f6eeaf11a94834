import socket
from collections.abc import Iterator
from random import Random

import pytest

from rtp.ports import CONFLICT_RETRY_S, DSCP_EF, PortPool, PortsExhausted


def free_range(pairs: int) -> int:
    """The first of some even ports that are free just now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1] // 2 * 2
        if first + 2 * pairs < 65536 and all(is_free(port) for port in range(first, first + 2 * pairs)):
            return first


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def pool_of(pairs: int, host: str = "127.0.0.1") -> PortPool:
    first = free_range(pairs)
    return PortPool(host, first, first + 2 * pairs - 1, quarantine_s=3.0, rng=Random(1))


@pytest.fixture
def pool() -> Iterator[PortPool]:
    pool = pool_of(3)
    yield pool
    pool.close()


def test_a_pair_is_an_even_port_and_the_next(pool: PortPool) -> None:
    pair = pool.acquire(0.0)
    assert pair.port % 2 == 0
    assert pair.rtp_sock.getsockname() == ("127.0.0.1", pair.port)
    assert pair.rtcp_sock.getsockname() == ("127.0.0.1", pair.port + 1)
    assert not pair.rtp_sock.getblocking()
    assert pair.rtp_sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == DSCP_EF << 2


def test_pairs_are_lent_once_until_the_pool_is_exhausted(pool: PortPool) -> None:
    assert pool.available == 3
    ports = {pool.acquire(0.0).port for _ in range(3)}
    assert len(ports) == 3
    assert (pool.available, pool.in_use) == (0, 3)
    with pytest.raises(PortsExhausted, match="3 in use"):
        pool.acquire(0.0)


def test_ports_are_not_handed_out_in_order() -> None:
    pool = pool_of(20)
    ports = [pool.acquire(0.0).port for _ in range(20)]
    pool.close()
    assert ports != sorted(ports)


def test_a_released_pair_is_quarantined_and_stays_bound() -> None:
    pool = pool_of(1)
    pair = pool.acquire(0.0)
    pool.release(pair, 10.0)
    assert pool.in_use == 0
    assert not is_free(pair.port)
    with pytest.raises(PortsExhausted):
        pool.acquire(12.9)
    assert pool.acquire(13.0) is pair
    pool.close()


def test_a_pair_is_drained_before_it_is_lent_again() -> None:
    pool = pool_of(1)
    pair = pool.acquire(0.0)
    pool.release(pair, 0.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as old_call:
        for _ in range(5):
            old_call.sendto(b"stale", ("127.0.0.1", pair.port))
    pool.acquire(3.0)
    with pytest.raises(BlockingIOError):
        pair.rtp_sock.recv(100)
    pool.close()


def test_a_port_that_somebody_else_has_is_skipped_and_tried_again() -> None:
    pool = pool_of(2)
    first = pool.acquire(0.0).port
    pool.close()
    pool = PortPool("127.0.0.1", first, first + 1, rng=Random(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 1))
        with pytest.raises(PortsExhausted):
            pool.acquire(0.0)
        assert pool.conflicts == 1
    assert pool.acquire(CONFLICT_RETRY_S).port == first
    pool.close()


def test_a_pair_that_was_not_lent_cannot_be_released(pool: PortPool) -> None:
    pair = pool.acquire(0.0)
    pool.release(pair, 0.0)
    with pytest.raises(KeyError):
        pool.release(pair, 0.0)


def test_ports_without_their_neighbour_are_left_out() -> None:
    assert PortPool("127.0.0.1", 40001, 40004).available == 1


def test_ipv6() -> None:
    pool = pool_of(1, host="::1")
    assert pool.acquire(0.0).rtp_sock.family == socket.AF_INET6
    pool.close()
