import pytest

from rtp.pacer import LatenessHistogram, Pacer


def test_a_frame_is_due_every_interval() -> None:
    pacer = Pacer(start=10.0)
    assert [pacer.due(now) for now in (9.99, 10.0, 10.01, 10.02, 10.039, 10.04)] == [0, 1, 0, 1, 0, 1]


def test_late_ticks_do_not_drift() -> None:
    pacer = Pacer(start=0.0)
    sent = sum(pacer.due(tick * 0.02 + (tick % 7) * 0.002) for tick in range(50 * 600))
    assert sent == 50 * 600
    assert pacer.next_due == pytest.approx(600.0)


def test_a_stall_is_caught_up_in_small_part_and_otherwise_skipped() -> None:
    pacer = Pacer(start=0.0)
    pacer.due(0.0)
    assert pacer.due(0.5) == 3
    assert pacer.skipped == 22
    assert pacer.due(0.519) == 0
    assert pacer.due(0.52) == 1


def test_lateness_is_measured_from_the_schedule() -> None:
    pacer = Pacer(start=0.0)
    for tick in range(100):
        pacer.due(tick * 0.02 + (0.01 if tick == 50 else 0.001))
    assert pacer.lateness.percentile_ms(50) == pytest.approx(1.0, abs=0.3)
    assert pacer.lateness.max_ms == pytest.approx(10.0)


def test_an_empty_histogram_has_no_lateness() -> None:
    assert LatenessHistogram().percentile_ms(99) == 0.0


def test_lateness_beyond_the_buckets_is_the_maximum() -> None:
    histogram = LatenessHistogram()
    histogram.add(700.0)
    assert histogram.percentile_ms(50) == histogram.max_ms == 700.0
