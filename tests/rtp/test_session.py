from itertools import pairwise
from random import Random
from struct import pack

import numpy as np
import pytest

from rtp import g711
from rtp.address import Address
from rtp.events import (
    ByeReceived,
    DigitReceived,
    FirstPacketReceived,
    ForeignPacketDropped,
    RtpEvent,
    SourceChanged,
    SourceLatched,
    StreamRestarted,
)
from rtp.packet import RtpPacket, parse, serialize
from rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    compact_ntp,
    parse_compound,
    serialize_compound,
)
from rtp.session import Concealed, Frame, RtpParams, RtpSession
from tests.rtp.streams import ATTACKER, CALLER, SSRC, Arrival, speech, stream

BEHIND_NAT = ("198.51.100.7", 61_000)
START = 100.0


def session(**params: object) -> RtpSession:
    defaults = {"remote_rtp": CALLER, "remote_rtcp": (CALLER[0], 4001)}
    return RtpSession(RtpParams(**(defaults | params)), now=START, rng=Random(1))  # type: ignore[arg-type]


def feed(rtp: RtpSession, arrivals: list[Arrival], addr: Address = CALLER) -> list[Frame | Concealed]:
    heard: list[Frame | Concealed] = []
    for packet, at in arrivals:
        rtp.receive_datagram(serialize(packet), addr, at)
        heard += pop(rtp, at)
    return heard


def pop(rtp: RtpSession, now: float) -> list[Frame | Concealed]:
    return list(iter(lambda: rtp.pop_frame(now), None))


def frames(count: int) -> list[Frame]:
    return [Frame(speech(index)) for index in range(count)]


def at(arrived: tuple[Arrival, Address]) -> float:
    return arrived[0].at


def events(rtp: RtpSession) -> list[RtpEvent]:
    return list(iter(rtp.next_event, None))


def audio(heard: list[Frame | Concealed]) -> bytes:
    return b"".join(piece.payload for piece in heard)


# --- inbound ----------------------------------------------------------------------------------------


def test_a_clean_stream_passes_bit_exact() -> None:
    rtp = session()
    heard = feed(rtp, stream(2.0, wrap=True))
    assert heard == frames(100)
    assert events(rtp) == [SourceLatched(CALLER), FirstPacketReceived(CALLER)]


def test_a_lost_packet_is_concealed_at_its_length() -> None:
    arrivals = stream(1.0)
    del arrivals[20]
    heard = feed(session(), arrivals)
    assert [index for index, piece in enumerate(heard) if isinstance(piece, Concealed)] == [20]
    assert len(audio(heard)) == 50 * 160


def test_the_other_law_is_transcoded() -> None:
    rtp = session(codec="PCMA", payload_type=8)
    heard = feed(rtp, stream(0.1, payload_type=0))
    assert heard == [Frame(g711.ulaw_to_alaw(speech(index))) for index in range(5)]


def test_a_dynamic_payload_type_is_the_negotiated_law() -> None:
    assert feed(session(payload_type=97), stream(0.1, payload_type=97))[0] == Frame(speech(0))


def test_unknown_payload_types_are_counted_and_dropped() -> None:
    rtp = session()
    assert feed(rtp, stream(0.2, payload_type=18)) == []
    assert rtp.report(START).inbound.unknown_payload_type == 10
    assert rtp.report(START).inbound.lost == 0


def test_comfort_noise_is_heard_at_its_level_and_length() -> None:
    arrivals = stream(2.0)
    silent = [
        entry._replace(packet=entry.packet._replace(payload_type=13, payload=b"\x28")) for entry in arrivals
    ]
    rtp = session()
    heard = feed(rtp, arrivals[:20] + silent[20:60] + arrivals[60:])
    assert len(audio(heard)) == 100 * 160
    noise = audio([piece for piece in heard if isinstance(piece, Concealed)])
    level = np.std(np.frombuffer(g711.ulaw_to_pcm(noise), "<i2"))
    assert 20 * np.log10(level / 32124) == pytest.approx(-40, abs=1)
    report = rtp.report(START + 2).inbound
    assert (report.comfort_noise, report.comfort_noise_ms, report.silence_filled_ms) == (40, 800, 0)


def test_a_new_ssrc_is_heard_within_two_packets() -> None:
    rtp = session()
    feed(rtp, stream(0.5))
    events(rtp)
    heard = feed(rtp, stream(0.5, start=100.5, first_sequence=7, first_timestamp=99, ssrc=77))
    assert heard == frames(25)
    assert events(rtp) == [StreamRestarted(77)]
    assert rtp.report(START).inbound.ssrc_changes == 1


def test_a_second_ssrc_between_the_packets_of_the_first_is_ignored() -> None:
    rtp = session()
    other = stream(1.0, ssrc=77, start=100.01)
    mixed = sorted(stream(1.0) + other, key=lambda arrival: arrival.at)
    assert feed(rtp, mixed) == frames(50)
    assert rtp.report(START).inbound.ssrc_changes == 0


def test_digits_are_received_and_audio_goes_on_after_them() -> None:
    rtp = session()
    arrivals = stream(1.0)
    for index in range(20, 28):
        flags = 0x8A if index >= 25 else 10
        payload = pack("!BBH", 5, flags, min(index - 19, 6) * 160)
        packet = arrivals[index].packet._replace(payload_type=101, payload=payload)
        packet = packet._replace(timestamp=arrivals[20].packet.timestamp)
        arrivals[index] = arrivals[index]._replace(packet=packet)
    heard = feed(rtp, arrivals)
    assert DigitReceived("5", 120) in events(rtp)
    assert len(audio(heard)) == 50 * 160
    assert rtp.report(START).inbound.lost == 0


def test_a_digit_whose_end_was_lost_is_due_by_the_timer() -> None:
    rtp = session()
    feed(rtp, [Arrival(RtpPacket(101, 1, 0, SSRC, pack("!BBH", 9, 10, 160)), START)])
    due = rtp.next_timer()
    assert due is not None
    rtp.handle_timer(START + 0.25)
    assert DigitReceived("9", 20) in events(rtp)


def test_malformed_datagrams_are_counted() -> None:
    rtp = session()
    for data in (b"", b"\x40" * 40, b"\x80"):
        rtp.receive_datagram(data, CALLER, START)
    assert rtp.report(START).inbound.malformed == 3


def test_a_peer_that_may_not_send_is_not_heard() -> None:
    rtp = session(direction="sendonly")
    assert feed(rtp, stream(0.2)) == []
    assert rtp.report(START).inbound.unwanted == 10


def test_what_a_peer_sent_while_it_was_not_to_is_not_lost_afterwards() -> None:
    rtp, arrivals = session(), stream(6.0)
    heard = feed(rtp, arrivals[:100])
    rtp.update_remote(RtpParams(CALLER, direction="inactive"), arrivals[100].at)
    assert not any(each for each in feed(rtp, arrivals[100:200]) if isinstance(each, Frame))
    rtp.update_remote(RtpParams(CALLER), arrivals[200].at)
    heard += feed(rtp, arrivals[200:])
    assert [*heard[:100], *heard[-100:]] == [*frames(300)[:100], *frames(300)[200:]]
    assert rtp.report(arrivals[-1].at).inbound.lost == 0


# --- whose packets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("attacker", [ATTACKER, (CALLER[0], 9999)])
def test_injected_packets_are_not_heard_and_get_nothing(attacker: Address) -> None:
    rtp = session()
    attack = [(entry._replace(at=entry.at - 0.3), attacker) for entry in stream(0.8, ssrc=666)]
    call = [(entry, CALLER) for entry in stream(0.5)]
    heard = [piece for entry, addr in sorted(attack + call, key=at) for piece in feed(rtp, [entry], addr)]
    assert [piece for piece in heard if isinstance(piece, Frame)] == frames(25)
    rtp.send_frame(speech(0), 101.0)
    assert [addr for _, addr in rtp.datagrams_to_send()] == [CALLER]
    assert rtp.report(101.0).inbound.foreign == 40


def test_foreign_packets_are_told_at_a_falling_rate() -> None:
    rtp = session()
    for entry in stream(1.0):
        feed(rtp, [entry])
        feed(rtp, [entry], ATTACKER)
    told = [event.total for event in events(rtp) if isinstance(event, ForeignPacketDropped)]
    assert told == [1, 2, 4, 8, 16, 32]


def test_a_caller_behind_nat_is_found_and_loses_nothing() -> None:
    rtp = session(signalling_host=BEHIND_NAT[0])
    heard = feed(rtp, stream(2.0), BEHIND_NAT)
    assert audio(heard) == b"".join(speech(index) for index in range(100))
    rtp.send_frame(speech(0), 102.0)
    assert [addr for _, addr in rtp.datagrams_to_send()] == [BEHIND_NAT]


def test_stun_gets_no_answer() -> None:
    """We do no ICE: nobody has credentials to ask us anything."""
    rtp = session()
    request = b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)
    rtp.receive_datagram(request, CALLER, START)
    rtp.receive_rtcp(request, CALLER, START)
    assert (rtp.datagrams_to_send(), rtp.rtcp_to_send()) == ([], [])
    assert rtp.report(START).inbound.stun == 2
    assert rtp.inbound.latch.source is None


def test_a_reinvite_moves_the_source() -> None:
    rtp = session()
    feed(rtp, stream(0.5))
    moved = (CALLER[0], 5000)
    rtp.update_remote(RtpParams(moved, codec="PCMA", payload_type=8), 100.6)
    rtp.send_frame(speech(0), 100.6)
    [(data, addr)] = rtp.datagrams_to_send()
    assert addr == moved
    assert parse(data).payload_type == 8
    feed(rtp, stream(0.5, start=100.6, first_sequence=1025, first_timestamp=54_000, payload_type=8), moved)
    assert SourceChanged(CALLER, moved) in events(rtp)


# --- outbound ---------------------------------------------------------------------------------------


def sent(rtp: RtpSession) -> list[RtpPacket]:
    return [parse(data) for data, _ in rtp.datagrams_to_send()]


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


# --- RTCP -------------------------------------------------------------------------------------------


def rtcp(rtp: RtpSession) -> list[list[RtcpPacket]]:
    return [parse_compound(data) for data, _ in rtp.rtcp_to_send()]


def test_reports_are_sent_about_every_five_seconds() -> None:
    rtp = session()
    times = []
    for tick in range(50 * 120):
        now = START + tick * 0.02
        rtp.handle_timer(now)
        times += [now for _ in rtp.rtcp_to_send()]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 2.5
    assert max(gaps) <= 7.52
    assert len(times) == pytest.approx(24, abs=5)


def test_a_report_says_what_was_sent_and_heard() -> None:
    rtp = session()
    arrivals = stream(1.0)
    del arrivals[10]
    feed(rtp, arrivals)
    rtp.send_frame(speech(0), START + 1)
    rtp.handle_timer(START + 8)
    [(data, addr)] = rtp.rtcp_to_send()
    assert addr == (CALLER[0], 4001)
    report, description = parse_compound(data)
    assert isinstance(report, SenderReport)
    assert isinstance(description, SourceDescription)
    assert (report.packets, report.octets) == (1, 160)
    [block] = report.blocks
    assert (block.ssrc, block.cumulative_lost, block.extended_highest) == (SSRC, 1, 1049)


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


def test_a_session_that_sends_nothing_reports_as_receiver() -> None:
    rtp = session(direction="recvonly")
    rtp.handle_timer(START + 8)
    [[report, _]] = rtcp(rtp)
    assert isinstance(report, ReceiverReport)


def test_the_peers_report_gives_round_trip_and_quality() -> None:
    rtp = session()
    rtp.send_frame(speech(0), START)
    rtp.handle_timer(START + 8)
    [[ours, _]] = rtcp(rtp)
    assert isinstance(ours, SenderReport)
    block = ReportBlock(rtp.outbound.ssrc, 0, 0, 0, 80, compact_ntp(ours.ntp), 65536)
    rtp.receive_rtcp(serialize_compound([ReceiverReport(SSRC, (block,))]), (CALLER[0], 4001), START + 9.06)
    report = rtp.report(START + 10)
    assert report.rtt_ms == pytest.approx(60, abs=0.1)
    assert report.outbound.jitter_ms == 10
    assert report.outbound.mos is not None
    assert report.outbound.mos > 4.3


def test_goodbye_is_sent_and_received() -> None:
    rtp = session()
    feed(rtp, stream(0.1))
    rtp.close(START + 1)
    [[*_, goodbye]] = rtcp(rtp)
    assert goodbye == Goodbye((rtp.outbound.ssrc,))
    bye = serialize_compound([ReceiverReport(SSRC), Goodbye((SSRC,))])
    rtp.receive_rtcp(bye, (CALLER[0], 4001), START + 1)
    assert ByeReceived(SSRC) in events(rtp)


def test_rtcp_from_elsewhere_or_of_other_streams_changes_nothing() -> None:
    rtp = session()
    feed(rtp, stream(0.1))
    events(rtp)
    for attacker in (ATTACKER, (CALLER[0], 9999)):
        rtp.receive_rtcp(serialize_compound([Goodbye((SSRC,))]), attacker, START + 1)
    rtp.receive_rtcp(serialize_compound([Goodbye((99,))]), (CALLER[0], 4001), START + 1)
    rtp.receive_rtcp(b"junk", (CALLER[0], 4001), START + 1)
    assert events(rtp) == []
    assert rtp.report(START).inbound.foreign_rtcp == 2
    rtp.close(START + 2)
    assert [addr for _, addr in rtp.rtcp_to_send()] == [(CALLER[0], 4001)]


def test_rtcp_on_the_rtp_port_is_understood() -> None:
    rtp = session()
    feed(rtp, stream(0.1))
    rtp.receive_datagram(serialize_compound([ReceiverReport(SSRC), Goodbye((SSRC,))]), CALLER, START + 1)
    assert ByeReceived(SSRC) in events(rtp)


def test_the_highest_port_has_none_after_it() -> None:
    rtp = session(signalling_host=BEHIND_NAT[0])
    feed(rtp, stream(1.0), (BEHIND_NAT[0], 65_535))
    rtp.close(START + 2)
    assert [addr for _, addr in rtp.rtcp_to_send()] == [(BEHIND_NAT[0], 65_535)]


def test_a_peer_cannot_have_lost_more_than_was_sent() -> None:
    rtp = session()
    rtp.send_frame(speech(0), START)
    block = ReportBlock(rtp.outbound.ssrc, 255, 0x7FFFFF, 0, 0, 0, 0)
    rtp.receive_rtcp(serialize_compound([ReceiverReport(SSRC, (block,))]), (CALLER[0], 4001), START + 1)
    assert rtp.report(START + 1).outbound.loss_percent == 100


def test_rtcp_follows_a_source_behind_nat() -> None:
    rtp = session(signalling_host=BEHIND_NAT[0])
    feed(rtp, stream(1.0), BEHIND_NAT)
    rtp.close(START + 2)
    rtp.receive_rtcp(serialize_compound([ReceiverReport(SSRC)]), (BEHIND_NAT[0], 62_500), START + 2)
    rtp.close(START + 3)
    destinations = [addr for _, addr in rtp.rtcp_to_send()]
    assert destinations == [(BEHIND_NAT[0], BEHIND_NAT[1] + 1), (BEHIND_NAT[0], 62_500)]


# --- the whole --------------------------------------------------------------------------------------


def test_a_minute_with_loss_and_jitter_keeps_its_length_and_a_good_score() -> None:
    rtp = session()
    arrivals = stream(60.0, loss=0.02, jitter_ms=10)
    heard = feed(rtp, arrivals)
    heard += pop(rtp, arrivals[-1].at + 0.2)
    span = arrivals[-1].packet.timestamp - arrivals[0].packet.timestamp + 160
    assert len(audio(heard)) == span
    report = rtp.report(START + 60).inbound
    assert report.concealed_ms == pytest.approx(1200, rel=0.3)
    assert report.loss_percent == pytest.approx(2, abs=0.7)
    assert 3.8 < report.mos < 4.4
    assert 5 < report.jitter_mean_ms < 20


@pytest.mark.parametrize("seed", range(3))
def test_random_datagrams_never_raise(seed: int) -> None:
    rtp, rng = session(), Random(seed)
    for index in range(2000):
        data = bytearray(serialize(stream(0.02)[0].packet)[:40] if rng.random() < 0.7 else rng.randbytes(40))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        rtp.receive_datagram(bytes(data), CALLER, START + index * 0.01)
        pop(rtp, START + index * 0.01)
        rtp.handle_timer(START + index * 0.01)
    rtp.report(START + 20)
