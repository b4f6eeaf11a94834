"""From the datagrams of a peer to the frames that are heard."""

from random import Random
from struct import pack

import numpy as np
import pytest

from rtp import g711
from rtp.events import DigitReceived, FirstPacketReceived, SourceLatched, StreamRestarted
from rtp.packet import RtpPacket, serialize
from rtp.session import Concealed, Frame, RtpParams
from tests.rtp.session.rig import START, audio, events, feed, frames, pop, session
from tests.rtp.streams import CALLER, SSRC, Arrival, speech, stream


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
    packet = serialize(stream(0.02)[0].packet)[:40]
    for index in range(2000):
        data = bytearray(packet if rng.random() < 0.7 else rng.randbytes(40))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        rtp.receive_datagram(bytes(data), CALLER, START + index * 0.01)
        pop(rtp, START + index * 0.01)
        rtp.handle_timer(START + index * 0.01)
    rtp.report(START + 20)
