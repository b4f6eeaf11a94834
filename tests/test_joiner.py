"""What the joiner of the impairment tests does to packets, without any device."""

from __future__ import annotations

import socket
import struct
from itertools import pairwise

import pytest

from tests.e2e.support.joiner import Impairment, Road, is_media

PACKETS = 20_000
SIP = b"OPTIONS sip:1000@198.19.0.1 SIP/2.0\r\n"


def packet(payload: bytes = b"\x80" + bytes(171), port: int = 4000) -> bytes:
    """UDP over IPv4 from `port`; by default an RTP packet of 20 ms."""
    addresses = socket.inet_aton("198.19.0.2") + socket.inet_aton("198.19.0.1")
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    return ip + struct.pack("!HHHH", port, 5000, 8 + len(payload), 0) + payload


def sent(impairment: Impairment, data: bytes | None = None, count: int = PACKETS) -> list[list[float]]:
    """The delays of the copies of each of many packets, one every 20 ms."""
    road = Road(impairment, seed=1, now=0.0)
    data = packet() if data is None else data
    return [[at - 0.02 * n for at in road.arrivals(data, 0.02 * n)] for n in range(count)]


def share_lost(delays: list[list[float]]) -> float:
    return sum(not copies for copies in delays) / len(delays)


def test_nothing_happens_by_itself() -> None:
    assert sent(Impairment(), count=10) == [[0.0]] * 10


def test_media_is_told_from_everything_else() -> None:
    tcp = bytearray(packet())
    tcp[9] = socket.IPPROTO_TCP
    assert is_media(packet())
    assert not is_media(packet(SIP))
    assert not is_media(bytes(tcp))
    assert not is_media(b"\x60" + bytes(60))


def test_signalling_passes_an_outage() -> None:
    cut = Impairment(loss=1.0, outage_s=(0.0, 1e9))
    assert sent(cut, packet(SIP), count=10) == [[0.0]] * 10
    assert sent(cut, count=10) == [[]] * 10


@pytest.mark.slow
@pytest.mark.parametrize("burst", [1.0, 3.0])
def test_loss_has_its_share_and_its_bursts(burst: float) -> None:
    delays = sent(Impairment(loss=0.05, burst=burst))
    begun = sum(bool(before) and not copies for before, copies in pairwise(delays))
    assert share_lost(delays) == pytest.approx(0.05, rel=0.15)
    assert share_lost(delays) * PACKETS / begun == pytest.approx(burst, rel=0.15)


def test_bursts_of_one_flow_do_not_touch_another() -> None:
    road = Road(Impairment(loss=0.3, burst=10), seed=1, now=0.0)
    lost = [(not road.arrivals(packet(port=1), n), not road.arrivals(packet(port=2), n)) for n in range(5000)]
    both = sum(one and other for one, other in lost) / len(lost)
    assert both == pytest.approx(0.3 * 0.3, abs=0.03)


@pytest.mark.slow
def test_delays_are_normal_and_never_negative() -> None:
    delays = sorted(copies[0] for copies in sent(Impairment(delay_ms=50, jitter_ms=20)))
    percentiles_ms = [1000 * delays[PACKETS * percent // 100] for percent in (5, 50, 95)]
    assert delays[0] >= 0
    assert percentiles_ms == pytest.approx([17, 50, 83], abs=2)


@pytest.mark.slow
def test_duplicates_and_packets_that_are_overtaken() -> None:
    assert sum(len(copies) for copies in sent(Impairment(duplicated=0.1))) == pytest.approx(22_000, rel=0.02)
    delays = [copies[0] for copies in sent(Impairment(overtaken=0.05))]
    assert {round(1000 * delay) for delay in delays} == {0, 30, 50, 70}


def test_a_narrow_road_delays_and_then_drops() -> None:
    """80 kbit/s are offered and 72 carried: a tenth is lost, and the queue is full."""
    delays = sent(Impairment(rate_kbit=72, queue_ms=100), count=2000)
    assert share_lost(delays) == pytest.approx(0.1, abs=0.03)
    assert max(copies[0] for copies in delays if copies) == pytest.approx(0.1, abs=0.025)


def test_an_outage_begins_and_ends() -> None:
    delays = sent(Impairment(outage_s=(1.0, 3.0)), count=200)
    assert [bool(copies) for copies in delays] == [True] * 50 + [False] * 100 + [True] * 50
