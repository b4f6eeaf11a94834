from random import Random

import pytest

from rtp.taps import StereoTimeline

START = 1000.0
LEFT, RIGHT = b"\xff", b"\xd5"


def timeline() -> StereoTimeline:
    return StereoTimeline(8000, START, LEFT, RIGHT)


def frame(index: int) -> bytes:
    return index.to_bytes(4, "big") * 40


def first_place(lane: bytes, index: int) -> float:
    """Where a frame begins, in seconds."""
    return lane.index(frame(index)) / 8000


def test_clean_streams_come_out_bit_exact() -> None:
    taps = timeline()
    left = right = b""
    for index in range(1, 3001):
        now = START + 0.02 * index
        taps.write_left(frame(index), now)
        taps.write_right(frame(index + 7), now)
        taps.advance(now)
        if index % 50 == 0:
            taken = taps.take(now)
            left, right = left + taken[0], right + taken[1]
    rest = taps.finish(START + 60.0)
    assert left + rest[0] == b"".join(frame(index) for index in range(1, 3001))
    assert right + rest[1] == b"".join(frame(index + 7) for index in range(1, 3001))
    assert taps.dropped_ms == 0


def test_jitter_leaves_no_trace() -> None:
    taps, rng = timeline(), Random(1)
    times = sorted(START + 0.02 * index + rng.uniform(0, 0.03) for index in range(1, 1001))
    for index, at in enumerate(times, 1):
        taps.write_left(frame(index), at)
    assert b"".join(frame(index) for index in range(1, 1001)) in taps.finish(START + 20.03)[0]


def test_a_silent_side_is_filled_and_keeps_no_one_waiting() -> None:
    taps = timeline()
    for index in range(1, 101):
        taps.write_right(frame(index), START + 0.02 * index)
    left, right = taps.take(START + 2.0)
    assert len(left) == len(right) == 1.5 * 8000
    assert left == LEFT * len(left)


def test_audio_after_silence_is_in_its_place() -> None:
    taps = timeline()
    for index in range(500, 600):
        taps.write_left(frame(index), START + 0.02 * index)
        taps.write_right(frame(index), START + 0.02 * index)
        taps.advance(START + 0.02 * index)
    left, right = taps.finish(START + 12.0)
    assert first_place(left, 500) == pytest.approx(9.98, abs=0.001)
    assert first_place(right, 500) == pytest.approx(9.98, abs=0.001)


def test_a_burst_after_a_gap_is_put_together_again() -> None:
    taps = timeline()
    for index in range(1, 101):
        at = 0.02 * (56 if 50 <= index < 56 else index)
        taps.write_left(frame(index), START + at)
        taps.advance(START + at)
    assert taps.finish(START + 2.0)[0] == b"".join(frame(index) for index in range(1, 101))


@pytest.mark.parametrize("ppm", [500, -500])
def test_a_drifting_clock_stays_aligned_for_an_hour(ppm: int) -> None:
    taps = timeline()
    length = aligned = 0
    packet = frame(0) * 3
    for index in range(1, 60_000):
        now = START + 0.06 * index * (1 - ppm * 1e-6)
        taps.write_left(packet, now)
        aligned = max(aligned, abs(taps._left.lag(now)))
        if index % 2000 == 0:
            left, right = taps.take(now)
            assert len(left) == len(right)
            length += len(left)
    left, _ = taps.finish(now)
    assert aligned <= 0.04 * 8000
    assert (length + len(left)) / 8000 == pytest.approx(now - START, abs=0.04)


def test_frames_that_were_never_sent_are_missing_on_their_side_only() -> None:
    taps = timeline()
    for index in range(1, 201):
        now = START + 0.02 * index
        taps.write_left(frame(index), now)
        if not 50 <= index < 60:
            taps.write_right(frame(index), now)
    left, right = taps.finish(START + 4.0)
    assert first_place(left, 200) == first_place(right, 200)


def test_sides_may_differ_in_width() -> None:
    taps = StereoTimeline(8000, START, b"\xff", b"\0\0")
    taps.write_left(b"l" * 160, START + 0.02)
    taps.write_right(b"rr" * 160, START + 0.02)
    left, right = taps.finish(START + 0.03)
    assert left == b"l" * 160 + b"\xff" * 80
    assert right == b"rr" * 160 + bytes(160)


@pytest.mark.parametrize("waited", [3, 10, 24])
def test_what_waited_at_the_start_makes_the_recording_begin_earlier(waited: int) -> None:
    taps = timeline()
    for index in range(1, waited + 1):
        taps.write_left(frame(index), START + 0.001)
    taps.write_right(frame(0), START + 0.02)
    for index in range(waited + 1, 101):
        taps.write_left(frame(index), START + 0.02 * (index - waited))
    end = START + 0.02 * (100 - waited)
    left, right = taps.finish(end)
    assert b"".join(frame(index) for index in range(1, 101)) in left
    assert len(left) / 8000 == pytest.approx(2.0, abs=0.04)
    assert first_place(right, 0) == pytest.approx(0.02 * waited, abs=0.04)
    assert taps.dropped_ms == 0


@pytest.mark.parametrize("missed", [2, 4, 10, 20])
def test_a_burst_that_begins_the_speech_has_its_place_before_now(missed: int) -> None:
    taps = timeline()
    for index in range(200, 300):
        taps.write_left(frame(index), START + 0.02 * max(index, 200 + missed))
        taps.advance(START + 0.02 * index)
    left, _ = taps.finish(START + 6.0)
    assert b"".join(frame(index) for index in range(200, 300)) in left
    assert first_place(left, 200) == pytest.approx(0.02 * 199, abs=0.04)
    assert taps.dropped_ms == 0


@pytest.mark.parametrize("lasting", [15, 18, 23])
def test_silence_in_the_place_of_late_audio_gives_way_to_it(lasting: int) -> None:
    taps = timeline()
    back = 50 + lasting
    recorded = b""
    for index in range(1, 50):
        taps.write_left(frame(index), START + 0.02 * index)
    for index in range(50, back):
        taps.write_left(LEFT * 160, START + 0.02 * index)
    taps.doubt_left(160 * lasting)
    for index in range(50, 150):
        taps.write_left(frame(index), START + 0.02 * max(index, back))
        recorded += taps.take(START + 0.02 * max(index, back), keep_s=0.5)[0]
    recorded += taps.finish(START + 0.02 * 149)[0]
    assert recorded == b"".join(frame(index) for index in range(1, 150))


@pytest.mark.parametrize("late_ms", [50, 120, 300])
@pytest.mark.parametrize("lasting", [30, 40, 45])
def test_a_telephone_that_is_late_for_a_while_loses_nothing(late_ms: int, lasting: int) -> None:
    taps, recorded, came = timeline(), b"", 0
    for index in range(1, 200):
        is_late = 100 < index <= 100 + lasting
        came = max(20 * index + late_ms * is_late, came)
        taps.write_left(frame(index), START + came / 1000)
        if index % 25 == 0:
            recorded += taps.take(START + came / 1000, keep_s=0.5)[0]
    recorded += taps.finish(START + 4.0)[0]
    assert all(frame(index) in recorded for index in range(1, 200))
    assert first_place(recorded, 199) == pytest.approx(0.02 * 198, abs=0.041)
    assert taps.dropped_ms == 0


@pytest.mark.parametrize("waited", range(15, 22))
def test_a_lane_is_not_left_ahead_by_a_burst(waited: int) -> None:
    """As when another worker takes up a call: what waited in the socket comes at once, the rest at its pace.
    A frame that is somewhat early isn't lost even when no silence can give way any more."""
    taps, taken = timeline(), b""
    times = [START + 0.6] * waited + [START + 0.601 + 0.02 * index for index in range(1, 61)]
    times += [at + 0.997 for at in times[-50:]]
    for index, at in enumerate(times, 1):
        taps.write_left(frame(index), at)
        taps.write_right(RIGHT * 160, at)
        if index % 25 == waited - 15:  # ten frames after the burst, and every half a second
            taken += taps.take(at, keep_s=0.5)[0]
    taken += taps.finish(times[-1])[0]
    assert b"".join(frame(index) for index in range(1, len(times) + 1)) in taken
    assert taps.dropped_ms == 0


def test_silence_stays_if_nothing_was_late_after_all() -> None:
    """A sender whose timestamps stand still while it is silent looks late, and never catches up."""
    taps = timeline()
    for index in range(1, 50):
        taps.write_left(frame(index), START + 0.02 * index)
    taps.write_left(LEFT * 160 * 20, START + 0.02 * 69)
    taps.doubt_left(160 * 20)
    for index in range(70, 150):
        taps.write_left(frame(index), START + 0.02 * index)
    left, _ = taps.finish(START + 0.02 * 149)
    assert first_place(left, 70) == pytest.approx(0.02 * 69, abs=0.001)


def test_audio_ahead_of_the_clock_is_cut_and_counted() -> None:
    taps = timeline()
    taps.write_left(frame(0), START + 0.02)
    taps.write_left(frame(1), START + 1.0)
    taps.write_left(frame(2) * 10, START + 1.1)
    assert taps.dropped_ms == 100
    assert len(taps.finish(START + 1.1)[0]) == 8800


def test_the_recording_begins_no_earlier_than_half_a_second() -> None:
    taps = timeline()
    for index in range(50):
        taps.write_left(frame(index), START)
    assert taps.dropped_ms == pytest.approx(500, abs=60)
    assert len(taps.finish(START)[0]) == pytest.approx(4000, abs=400)


@pytest.mark.parametrize("seed", range(4))
def test_the_recording_is_as_long_as_the_call(seed: int) -> None:
    taps, rng = timeline(), Random(seed)
    for index in range(1, 2000):
        now = START + 0.02 * index
        if rng.random() < 0.9 and index % 300 < 250:
            taps.write_left(frame(index), now)
        if rng.random() < 0.95 and index % 400 > 90:
            taps.write_right(frame(index), now)
        taps.advance(now)
    left, right = taps.finish(START + 40.0)
    assert len(left) == len(right)
    assert len(left) / 8000 == pytest.approx(40.0, abs=0.04)


def test_what_is_muted_is_silence_in_its_place_and_the_other_side_is_not() -> None:
    taps = timeline()
    for index in range(1, 101):
        now = START + 0.02 * index
        taps.write_left(frame(index), now)
        taps.write_right(frame(index), now)
        if index == 50:
            taps.mute_left(before_s=0.1, after_s=0.06)
    left, right = taps.finish(START + 2.0)
    heard = b"".join(frame(index) for index in range(1, 101))
    assert left == heard[: 45 * 160] + LEFT * 8 * 160 + heard[53 * 160 :]
    assert right == heard


def test_what_may_still_be_muted_is_kept_back() -> None:
    taps = timeline()
    for index in range(1, 51):
        taps.write_left(frame(index), START + 0.02 * index)
        taps.write_right(frame(index), START + 0.02 * index)
    assert len(taps.take(START + 1.0, keep_s=0.3)[0]) == 0.7 * 8000
    assert taps.take(START + 1.0, keep_s=0.3) == (b"", b"")
    taps.mute_right(before_s=5.0, after_s=0.0)
    left, right = taps.finish(START + 1.0)
    assert left == b"".join(frame(index) for index in range(36, 51))
    assert right == RIGHT * len(left)
