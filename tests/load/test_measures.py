"""What is made of measurements: histograms, slopes, expositions, SIPp's counts, and the reference call."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.load.histogram import percentile, total
from benchmarks.load.measures import Counts, compared, lateness_ms
from benchmarks.load.proc import shares
from benchmarks.load.scrape import Scrape
from benchmarks.load.track import FRAME, TELEPHONE_EVENT, track
from benchmarks.load.trend import slope

BOUNDS = (1, 2, 5)
SILENCE = b"\xff" * FRAME
SAID = bytes(range(FRAME)) + bytes(reversed(range(FRAME))) + b"\x10" * FRAME


def test_a_percentile_is_interpolated_within_its_bucket() -> None:
    assert percentile([50, 50, 0, 0], BOUNDS, 50) == 1
    assert percentile([50, 50, 0, 0], BOUNDS, 75) == 1.5
    assert percentile([98, 0, 0, 2], BOUNDS, 99) == math.inf
    assert percentile([0, 0, 0, 0], BOUNDS, 99) == 0
    assert total([[1, 2], [3, 4]]) == [4, 6]


def test_what_grows_has_a_slope_above_zero() -> None:
    hour = np.arange(0, 3600, 10)
    noise = np.random.default_rng(1).normal(0, 1, len(hour))
    found = slope(hour, 100 + hour / 3600 * 5 + noise)
    assert found.per_hour == pytest.approx(5, abs=0.5)
    assert not found.is_flat


def test_what_only_wavers_is_flat() -> None:
    hour = np.arange(0, 3600, 10)
    noise = np.random.default_rng(2).normal(0, 1, len(hour))
    assert slope(hour, 100 + noise).is_flat
    assert slope(hour, np.full(len(hour), 7.0)).is_flat


def test_a_wave_is_no_slope() -> None:
    """Neighbouring measurements that are alike count for less than so many independent ones."""
    hour = np.arange(0, 3600, 10)
    assert slope(hour, np.sin(hour / 3600 * 5 * np.pi)).is_flat


def test_two_points_have_no_slope() -> None:
    with pytest.raises(ValueError, match="three"):
        slope([0, 1], [0, 1])


def test_samples_are_summed_by_labels() -> None:
    scrape = Scrape.parse(
        "# TYPE calls counter\n"
        'calls_total{trunk="a",reason="x"} 3\ncalls_total{trunk="b",reason="x"} 4\n'
        'calls_total{trunk="a",reason="y"} 5\n'
    )
    assert scrape.total("calls_total") == 12
    assert scrape.total("calls_total", trunk="a") == 8
    assert scrape.by("calls_total", "reason") == {"x": 7, "y": 5}
    assert scrape.since(scrape).total("calls_total") == 0


def test_shares_of_a_core() -> None:
    assert shares({"a": 1.0}, {"a": 2.0, "b": 0.5}, 2.0) == {"a": 0.5, "b": 0.25}


def test_sipps_counts_name_the_causes_of_failures() -> None:
    row = {
        "CurrentCall": "3",
        "SuccessfulCall(C)": "5",
        "FailedCall(C)": "2",
        "FailedUnexpectedMessage(C)": "2",
        "FailedMaxUDPRetrans(C)": "0",
        "Retransmissions(C)": "1",
    }
    counts = Counts.of(row)
    assert (counts.current, counts.successful, counts.failed, counts.retransmissions) == (3, 5, 2, 1)
    assert counts.by_cause == {"UnexpectedMessage": 2}


def test_speech_that_came_whole_is_intact() -> None:
    assert compared(SAID, SAID).is_intact
    assert compared(SAID, SAID[: 2 * FRAME]).is_intact


def test_a_hole_is_counted_and_does_not_shift_the_rest() -> None:
    heard = SAID[:FRAME] + SILENCE + SAID[FRAME:]
    found = compared(SAID, heard)
    assert (found.frames, found.altered, found.holes) == (3, 0, 1)
    assert not found.is_intact


def test_an_altered_sample_costs_its_frame() -> None:
    heard = SAID[: FRAME + 5] + b"\x00" + SAID[FRAME + 6 :]
    found = compared(SAID, heard)
    assert (found.frames, found.altered, found.holes) == (3, 1, 0)


def test_a_caller_is_as_late_as_its_latest_frame() -> None:
    assert lateness_ms([1.0, 1.02, 1.1, 1.1, 1.1], 0.02) == pytest.approx(60)
    assert lateness_ms([], 0.02) == 0


def test_nothing_heard_is_not_intact() -> None:
    assert not compared(SAID, b"").is_intact


def test_a_press_takes_the_place_of_speech() -> None:
    law = b"\x10" * FRAME * 20
    frames = track(law, {5: "5"})
    size = len(frames) // 20
    kinds = [frames[at] for at in range(0, len(frames), size)]
    pressed = [number for number, kind in enumerate(kinds) if kind == TELEPHONE_EVENT]
    assert pressed[0] == 5
    assert pressed == list(range(5, 5 + len(pressed)))
    stamps = [int.from_bytes(frames[at + 4 : at + 8], "little") for at in range(0, len(frames), size)]
    assert {stamps[number] for number in pressed} == {5 * FRAME}
    assert stamps[19] == 19 * FRAME
