import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.seq import MAX_DROPOUT, SequenceTracker, timestamp_delta


def extend(*sequences: int) -> list[int | None]:
    tracker = SequenceTracker()
    return [tracker.extend(sequence) for sequence in sequences]


def test_numbers_go_on_over_the_wrap() -> None:
    assert extend(65534, 65535, 0, 1) == [65534, 65535, 65536, 65537]


def test_reordering_over_the_wrap_keeps_the_places() -> None:
    assert extend(65535, 1, 0, 65534) == [65535, 65537, 65536, 65534]


def test_a_gap_is_loss_up_to_the_dropout_limit() -> None:
    assert extend(10, 10 + MAX_DROPOUT - 1) == [10, 10 + MAX_DROPOUT - 1]


def test_a_stray_jump_is_dropped_and_changes_nothing() -> None:
    assert extend(10, 11, 30000, 12) == [10, 11, None, 12]


def test_a_jump_confirmed_by_its_successor_restarts_the_numbering() -> None:
    tracker = SequenceTracker()
    assert [tracker.extend(sequence) for sequence in (10, 11, 30000, 30001, 30002)] == [10, 11, None, 12, 13]
    assert tracker.restarts == 1
    assert tracker.expected == 4
    assert tracker.extended_highest == 30002


def test_a_forced_restart_needs_no_confirmation() -> None:
    tracker = SequenceTracker()
    tracker.extend(10)
    tracker.force_restart()
    assert tracker.extend(500) == 11


def test_extended_highest_counts_cycles() -> None:
    tracker = SequenceTracker()
    for sequence in (65535, 0, 5):
        tracker.extend(sequence)
    assert tracker.extended_highest == (1 << 16) + 5


@pytest.mark.parametrize(
    ("later", "earlier", "delta"),
    [(160, 0, 160), (0, 160, -160), (80, 2**32 - 80, 160), (2**32 - 80, 80, -160)],
)
def test_timestamp_delta(later: int, earlier: int, delta: int) -> None:
    assert timestamp_delta(later, earlier) == delta


@given(st.lists(st.integers(0, 0xFFFF), max_size=200))
def test_the_highest_number_never_falls(sequences: list[int]) -> None:
    tracker = SequenceTracker()
    highest = -1
    for sequence in sequences:
        extended = tracker.extend(sequence)
        assert extended is None or extended <= tracker.highest
        assert tracker.highest >= highest
        highest = tracker.highest
