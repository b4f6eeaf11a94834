import pytest

from rtp.reception import InterarrivalJitter, ReceptionStats
from rtp.seq import SequenceTracker
from rtp.stats import BPL_WITHOUT_PLC, InboundReport, OutboundReport, RtpReport, mos
from tests.rtp.streams import stream


def test_a_steady_stream_has_no_jitter() -> None:
    jitter = InterarrivalJitter(8000)
    for packet, at in stream(5.0, wrap=True):
        jitter.update(packet.timestamp, at)
    assert jitter.ms == pytest.approx(0.0, abs=1e-6)


def test_alternating_delay_settles_at_its_size() -> None:
    jitter = InterarrivalJitter(8000)
    for index, (packet, at) in enumerate(stream(10.0)):
        jitter.update(packet.timestamp, at + (0.01 if index % 2 else 0.0))
    assert jitter.ms == pytest.approx(10.0, abs=0.1)
    assert jitter.timestamp_units == pytest.approx(80, abs=1)
    assert jitter.mean_ms < jitter.max_ms <= 10.001


def test_a_pause_is_no_jitter() -> None:
    jitter = InterarrivalJitter(8000)
    jitter.update(0, 0.0)
    jitter.update(160, 30.0)
    assert jitter.ms == 0.0


def test_report_blocks_count_loss_by_interval() -> None:
    tracker = SequenceTracker()
    stats = ReceptionStats(tracker, InterarrivalJitter(8000))
    for sequence in range(100):
        if sequence % 10 != 5:
            tracker.extend(sequence)
            stats.received += 1
    first = stats.block(7, 1, 2)
    assert (first.ssrc, first.last_sr, first.delay_since_last_sr) == (7, 1, 2)
    assert (first.cumulative_lost, first.fraction_lost) == (10, 25)
    for sequence in range(100, 200):
        tracker.extend(sequence)
        stats.received += 1
    second = stats.block(7, 0, 0)
    assert (second.cumulative_lost, second.fraction_lost, second.extended_highest) == (10, 0, 199)


def test_duplicates_make_loss_negative_but_no_fraction() -> None:
    tracker = SequenceTracker()
    stats = ReceptionStats(tracker, InterarrivalJitter(8000))
    tracker.extend(1)
    stats.received = 3
    block = stats.block(7, 0, 0)
    assert (block.cumulative_lost, block.fraction_lost) == (-2, 0)


def test_mos_of_a_perfect_call() -> None:
    assert mos(0.0, 0.0) == pytest.approx(4.41, abs=0.01)


def test_mos_falls_with_loss_and_delay_and_less_so_with_concealment() -> None:
    assert mos(0, 50) > mos(1, 50) > mos(5, 50) > mos(5, 300) > mos(20, 300) >= 1.0
    assert mos(3, 50) > mos(3, 50, BPL_WITHOUT_PLC)


def test_mos_is_never_below_one() -> None:
    assert mos(100.0, 2000.0) == 1.0


def test_a_report_becomes_plain_values() -> None:
    report = RtpReport(InboundReport(packets=3), OutboundReport(), rtt_ms=12.5).as_dict()
    assert report["inbound"]["packets"] == 3
    assert report["outbound"]["mos"] is None
    assert report["rtt_ms"] == 12.5
