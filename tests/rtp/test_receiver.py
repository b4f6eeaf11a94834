"""The short way in, of the usual packet, beside the long way that every packet can take."""

from random import Random
from typing import Any

import pytest

from rtp.packet import MARKER, RtpPacket, header, serialize
from rtp.session import RtpParams, RtpSession
from tests.rtp.streams import ATTACKER, CALLER, SSRC, speech, stream

START = 100.0
FRAME_S = 0.02


def session(**params: Any) -> RtpSession:
    return RtpSession(RtpParams(**({"remote_rtp": CALLER} | params)), now=START, rng=Random(1))


def long_way(rtp: RtpSession, data: bytes, addr: tuple[str, int], now: float) -> tuple[bytes, list[object]]:
    """What is heard and told after a datagram."""
    rtp.receive_datagram(data, addr, now)
    heard = b"".join(piece.payload for piece in iter(lambda: rtp.pop_frame(now), None))
    return heard, list(iter(rtp.next_event, None))


def short_way(rtp: RtpSession, data: bytes, addr: tuple[str, int], now: float) -> tuple[bytes, list[object]]:
    audio = rtp.inbound.hear(data, addr, now)
    return long_way(rtp, data, addr, now) if audio is None else (audio, [])


def packet(index: int, **fields: int) -> bytes:
    usual = {"payload_type": 0, "sequence": index, "timestamp": index * 160, "ssrc": SSRC}
    return serialize(RtpPacket(**(usual | fields), payload=speech(index)))


def settled() -> RtpSession:
    """A session that has heard ten packets."""
    rtp = session()
    for index in range(10):
        long_way(rtp, packet(index), CALLER, START + index * FRAME_S)
    return rtp


def disturbed(seed: int) -> list[tuple[bytes, tuple[str, int], float]]:
    """A call to which anything may happen between its usual packets."""
    rng = Random(seed)
    arrivals = stream(6.0, loss=0.02, jitter_ms=rng.choice((0, 0, 8)), duplicates=0.01, wrap=True, seed=seed)
    skew, ssrc, datagrams = 0, SSRC, []
    for packet, at in arrivals:
        event = rng.randrange(60)
        ssrc = ssrc + 1 if event == 0 else ssrc
        skew += {1: 40, 2: 4000, 3: 160_000}.get(event, 0)
        kind = {4: 101, 5: 13, 6: 8, 7: 18}.get(event, 0)
        payload = {101: b"\x05\x8a\x03\x20", 13: b"\x40"}.get(kind, packet.payload)
        payload = b"" if event == 8 else payload
        timestamp = (packet.timestamp + skew) & 0xFFFFFFFF
        sent = RtpPacket(kind, packet.sequence, timestamp, ssrc, payload, event == 9)
        at += {10: 0.0, 11: 0.4}.get(event, 0.0)
        datagrams.append((serialize(sent), ATTACKER if event in (12, 13) else CALLER, at))
        if event == 14:
            datagrams.append((rng.randbytes(rng.randrange(40)), CALLER, at))
    return sorted(datagrams, key=lambda datagram: datagram[2])


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_are_the_same(seed: int) -> None:
    one, other = session(), session()
    for count, (data, addr, now) in enumerate(disturbed(seed)):
        assert short_way(one, data, addr, now) == long_way(other, data, addr, now)
        if count % 50 == 0:
            one.handle_timer(now)
            other.handle_timer(now)
            assert one.rtcp_to_send() == other.rtcp_to_send()
            assert one.handover(now) == other.handover(now)
            assert one.next_timer() == other.next_timer()
    assert one.report(now) == other.report(now)


def test_the_usual_packet_takes_the_short_way() -> None:
    rtp = settled()
    assert rtp.inbound.hear(packet(10), CALLER, START + 0.2) == speech(10)
    assert rtp.pop_frame(START + 0.2) is None
    assert rtp.report(START + 1).inbound.packets == 11


@pytest.mark.parametrize(
    "data",
    [
        packet(11),
        packet(9),
        packet(10, ssrc=7),
        packet(10, timestamp=1760),
        packet(10, payload_type=8),
        packet(10, payload_type=MARKER),
        header(0, 10, 1600, SSRC),
        header(0, 10, 1600, SSRC)[:-1],
        b"\x80",
        b"",
        b"\x90" + packet(10)[1:],
        b"\xa0" + packet(10)[1:],
    ],
)
def test_any_other_is_left_to_the_long_way(data: bytes) -> None:
    rtp = settled()
    before = rtp.handover(START + 0.2)
    assert rtp.inbound.hear(data, CALLER, START + 0.2) is None
    assert rtp.handover(START + 0.2) == before


def test_a_stranger_on_probation_and_a_new_address_lead_the_long_way() -> None:
    rtp = settled()
    long_way(rtp, packet(50, ssrc=7), ATTACKER, START + 3)
    assert rtp.inbound.hear(packet(10), CALLER, START + 3) is None
    assert long_way(rtp, packet(10), CALLER, START + 3)[0].endswith(speech(10))
    assert rtp.inbound.hear(packet(11), CALLER, START + 3.02) == speech(11)
    rtp.update_remote(RtpParams(ATTACKER), START + 3.03)
    assert rtp.inbound.hear(packet(12), CALLER, START + 3.04) is None


def test_what_is_not_wanted_or_of_another_law_leads_the_long_way() -> None:
    rtp = settled()
    rtp.update_remote(RtpParams(CALLER, direction="sendonly"), START + 0.2)
    assert rtp.inbound.hear(packet(10), CALLER, START + 0.2) is None
    rtp.update_remote(RtpParams(CALLER, codec="PCMA", payload_type=8), START + 0.2)
    assert rtp.inbound.hear(packet(10), CALLER, START + 0.2) is None


def test_an_event_that_is_not_told_yet_goes_first() -> None:
    rtp = settled()
    rtp.receive_datagram(packet(40, ssrc=9), ATTACKER, START + 0.19)
    assert rtp.inbound.hear(packet(10), CALLER, START + 0.2) is None
