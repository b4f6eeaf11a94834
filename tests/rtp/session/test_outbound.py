"""From the frames of an agent to the packets that are sent."""

import pytest

from rtp.events import DigitReceived
from rtp.packet import parse
from tests.rtp.session.rig import START, events, pop, sent, session
from tests.rtp.streams import CALLER, speech


def test_frames_are_numbered_and_timed() -> None:
    rtp = session()
    for index in range(100):
        rtp.send_frame(speech(index), START + index * 0.02)
    packets = sent(rtp)
    assert [packet.payload for packet in packets] == [speech(index) for index in range(100)]
    assert {packet.ssrc for packet in packets} == {rtp.outbound.ssrc}
    assert [(packet.sequence - packets[0].sequence) & 0xFFFF for packet in packets] == list(range(100))
    assert [packet.timestamp - packets[0].timestamp for packet in packets] == list(range(0, 16_000, 160))
    assert [packet.marker for packet in packets] == [True] + [False] * 99


def test_a_talkspurt_is_marked() -> None:
    rtp = session()
    for index in range(3):
        rtp.send_frame(speech(index), START + index * 0.02, talkspurt=index == 2)
    assert [packet.marker for packet in sent(rtp)] == [True, False, True]


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
def test_packets_have_the_negotiated_length(ptime_ms: int) -> None:
    rtp = session(ptime_ms=ptime_ms)
    audio = bytes(range(160)) * 12
    for index in range(12):
        rtp.send_frame(audio[160 * index :][:160], 0.02 * index)
    packets = sent(rtp)
    assert {len(packet.payload) for packet in packets} == {ptime_ms * 8}
    assert b"".join(packet.payload for packet in packets) == audio
    starts = [packet.timestamp - packets[0].timestamp & 0xFFFFFFFF for packet in packets]
    assert starts == [index * ptime_ms * 8 for index in range(len(packets))]


def test_timestamps_follow_the_clock_over_a_pause() -> None:
    rtp = session()
    rtp.send_frame(speech(0), START)
    rtp.send_frame(speech(1), START + 5.0)
    first, second = sent(rtp)
    assert (second.timestamp - first.timestamp) / 8000 == pytest.approx(5.0, abs=0.08)
    assert second.marker


def test_a_burst_after_a_stall_ends_in_step_with_the_clock() -> None:
    rtp = session()
    for at in (0.0, 0.5, 0.5, 0.5, 0.52):
        rtp.send_frame(speech(0), START + at)
    packets = sent(rtp)
    assert packets[-1].timestamp - packets[0].timestamp == pytest.approx(0.52 * 8000, abs=160)


def test_nothing_is_sent_without_an_address_or_permission() -> None:
    for rtp in (session(remote_rtp=None), session(direction="recvonly"), session(remote_rtp=("0.0.0.0", 1))):
        assert not rtp.may_send
        rtp.send_frame(speech(0), START)
        assert rtp.datagrams_to_send() == []
        assert rtp.report(START).outbound.unsent == 1


def test_a_digit_takes_the_place_of_audio() -> None:
    rtp, peer = session(), session()
    now = START
    digits = []
    rtp.send_frame(speech(0), now)
    rtp.send_digit("4", 100, now)
    for tick in range(1, 30):
        now = START + tick * 0.02 + 0.0007 * (-1) ** tick
        if rtp.may_send:
            rtp.send_frame(speech(tick), now)
        rtp.handle_timer(now)
        for data, _ in rtp.datagrams_to_send():
            peer.receive_datagram(data, CALLER, now)
        digits += [event for event in events(peer) if isinstance(event, DigitReceived)]
    assert digits == [DigitReceived("4", 100)]
    assert sum(len(piece.payload) for piece in pop(peer, now)) == pytest.approx(29 * 160, abs=320)


def test_a_peer_without_events_gets_no_digits() -> None:
    with pytest.raises(ValueError, match="events"):
        session(dtmf_payload_type=None).send_digit("1", 100, START)


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_while_we_may_not_send_nats_are_kept_open(direction: str) -> None:
    rtp = session(direction=direction)
    sent = []
    for tick in range(40 * 50):
        rtp.handle_timer(START + tick / 50)
        sent += [(tick / 50, parse(data), addr) for data, addr in rtp.datagrams_to_send()]
    assert [at_s for at_s, _, _ in sent] == [0.0, 15.0, 30.0]
    assert {(packet.payload_type, packet.payload, addr) for _, packet, addr in sent} == {(20, b"", CALLER)}
    assert [packet.sequence - sent[0][1].sequence for _, packet, _ in sent] == [0, 1, 2]


def test_while_we_may_send_audio_alone_is_sent() -> None:
    rtp = session()
    rtp.handle_timer(START + 20)
    assert rtp.datagrams_to_send() == []
