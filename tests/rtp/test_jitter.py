import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.jitter import MAX_READY, JitterBuffer
from rtp.packet import RtpPacket
from rtp.params import JitterConfig
from rtp.timeline import Hole, HoleKind
from tests.rtp.streams import (
    Arrival,
    audio_of,
    drain,
    holes_of,
    play,
    samples_of,
    speech,
    stream,
)


def test_packets_in_order_pass_at_once() -> None:
    arrivals = stream(1.0)
    popped = play(JitterBuffer(), arrivals)
    assert [at for _, at in popped] == [arrival.at for arrival in arrivals]
    assert audio_of(popped) == list(range(50))


def test_sequence_and_timestamp_wrap_unheard() -> None:
    buffer = JitterBuffer()
    popped = play(buffer, stream(2.0, wrap=True))
    assert audio_of(popped) == list(range(100))
    assert not holes_of(popped)


@pytest.mark.parametrize("distance", [1, 2, 3])
def test_reordering_by_up_to_three_packets_loses_nothing(distance: int) -> None:
    arrivals = stream(1.0)
    held = arrivals[20]
    after = arrivals[20 + distance].at + 0.001
    late = [*arrivals[:20], *arrivals[21:], held._replace(at=after)]
    buffer = JitterBuffer()
    popped = play(buffer, sorted(late, key=lambda arrival: arrival.at))
    assert audio_of(popped) == list(range(50))
    assert (buffer.counts.lost, buffer.counts.late, buffer.counts.reordered) == (0, 0, 1)


def test_duplicates_change_nothing() -> None:
    buffer = JitterBuffer()
    popped = play(buffer, stream(5.0, duplicates=0.1))
    assert audio_of(popped) == list(range(250))
    assert buffer.counts.duplicate > 10
    assert buffer.counts.lost == 0


def test_a_gap_waits_for_the_depth_and_becomes_a_hole() -> None:
    arrivals = stream(1.0)
    gap = arrivals.pop(10)
    buffer = JitterBuffer()
    popped = play(buffer, arrivals)
    hole = next(entry for entry in popped if isinstance(entry.piece, Hole))
    assert hole.piece == Hole(160, HoleKind.LOST)
    assert hole.at == pytest.approx(gap.at + 0.02 + 0.06)
    assert samples_of(popped) == 50 * 160
    assert buffer.counts.lost == 1


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
def test_the_timeline_never_shrinks_under_loss(loss: float) -> None:
    arrivals = stream(20.0, loss=loss, jitter_ms=5)
    first, last = arrivals[0].packet, arrivals[-1].packet
    sent = (last.timestamp - first.timestamp) + 160
    assert samples_of(play(JitterBuffer(), arrivals)) == sent


def test_a_late_packet_is_counted_and_the_next_gap_waits_longer() -> None:
    arrivals = stream(1.0)
    late = arrivals.pop(10)
    arrivals.append(late._replace(at=late.at + 0.12))
    buffer = JitterBuffer()
    play(buffer, sorted(arrivals, key=lambda arrival: arrival.at))
    assert (buffer.counts.lost, buffer.counts.late) == (0, 1)
    assert buffer.depth.ms(101.0) >= 95


@pytest.mark.parametrize(("sd_ms", "limit"), [(20, 0.01), (50, 0.03)])
def test_heavy_jitter_costs_few_packets_and_bounded_depth(sd_ms: int, limit: float) -> None:
    buffer = JitterBuffer()
    popped = play(buffer, stream(60.0, jitter_ms=sd_ms))
    assert buffer.counts.late / 3000 <= limit
    assert buffer.depth.ms(160.0) <= 200
    assert audio_of(popped) == sorted(audio_of(popped))


def test_dtx_is_filled_with_silence_of_its_length() -> None:
    before = stream(0.5)
    after = stream(0.5, start=103.0, first_sequence=1025, first_timestamp=50_000 + 3 * 8000)
    popped = play(JitterBuffer(), before + after)
    silent = [hole for hole in holes_of(popped) if hole.kind is HoleKind.SILENT]
    assert sum(hole.samples for hole in silent) == 2.5 * 8000
    assert samples_of(popped) == 3.5 * 8000


def test_silence_keeps_the_pace_of_the_clock_while_nothing_arrives() -> None:
    arrivals = stream(0.2)
    popped = play(JitterBuffer(), arrivals, until=arrivals[-1].at + 2.0)
    assert samples_of(popped) / 8000 == pytest.approx(2.2, abs=0.04)


def test_a_short_pause_of_the_sender_is_not_filled_early() -> None:
    arrivals = stream(0.2)
    assert not holes_of(play(JitterBuffer(), arrivals, until=arrivals[-1].at + 0.31))


def test_audio_held_up_in_the_network_is_played_although_silence_took_its_place() -> None:
    arrivals = stream(2.0)
    stalled = [entry._replace(at=max(entry.at, 101.6)) if entry.at > 100.6 else entry for entry in arrivals]
    buffer = JitterBuffer()
    popped = play(buffer, stalled)
    assert audio_of(popped) == list(range(100))
    assert buffer.timeline.stretched == sum(hole.samples for hole in holes_of(popped)) > 0
    assert buffer.timeline.stretched % 160 == 0  # so that an echo's frames are still the caller's


def test_a_timestamp_jump_without_time_passing_makes_no_hole() -> None:
    before = stream(0.5)
    after = stream(0.5, start=100.5, first_sequence=1025, first_timestamp=9_000_000)
    buffer = JitterBuffer()
    popped = play(buffer, before + after)
    assert not holes_of(popped)
    assert buffer.timeline.jumps == 1


def test_a_restarted_numbering_is_heard_from_its_second_packet() -> None:
    before = stream(0.5)
    after = stream(0.5, start=100.5, first_sequence=40_000, first_timestamp=77)
    buffer = JitterBuffer()
    popped = play(buffer, before + after)
    assert audio_of(popped) == [*range(25), *range(1, 25)]
    assert buffer.counts.unconfirmed == 1


def test_what_waited_behind_a_gap_survives_a_restart() -> None:
    before = stream(0.5)
    del before[23]
    after = stream(0.2, start=100.5, first_sequence=40_000, first_timestamp=77)
    assert 24 in audio_of(play(JitterBuffer(), before + after))


def test_a_restarted_numbering_whose_first_two_are_reordered_stays_behind_the_old_one() -> None:
    """All three come in before anybody pops."""
    buffer = JitterBuffer()
    old, first, second = (
        RtpPacket(0, sequence, 160 * sequence, ssrc, speech(index))
        for index, (sequence, ssrc) in enumerate([(500, 1), (0, 2), (1, 2)])
    )
    buffer.push(old, 160, 100.0)
    buffer.restart()
    buffer.push(second, 160, 100.0)
    buffer.push(first, 160, 100.0)
    pieces = iter(lambda: buffer.pop(100.0), None)
    assert [piece for piece in pieces if isinstance(piece, RtpPacket)] == [old, first, second]


def test_events_occupy_a_number_but_no_time() -> None:
    buffer = JitterBuffer()
    for index, samples in enumerate((160, 0, 0, 160)):
        timestamp = 320 if index == 3 else 0
        buffer.push(RtpPacket(0, index, timestamp, 1, speech(index)), samples, 0.02 * index)
    popped = list(drain(buffer, 0.06))
    assert [type(entry.piece) for entry in popped] == [RtpPacket, Hole, RtpPacket]
    assert popped[1].piece == Hole(160, HoleKind.SILENT)


def test_the_buffer_is_bounded_if_nobody_pops() -> None:
    buffer = JitterBuffer()
    for packet, at in stream(60.0):
        buffer.push(packet, 160, at)
    assert buffer.counts.overflowed == 3000 - MAX_READY


def test_depth_stays_within_its_bounds() -> None:
    buffer = JitterBuffer(JitterConfig(min_ms=40, max_ms=80))
    assert buffer.depth.ms(0.0) == 40
    play(buffer, stream(10.0, jitter_ms=60))
    assert buffer.depth.ms(110.0) == 80


def test_nothing_is_due_before_the_first_packet() -> None:
    buffer = JitterBuffer()
    assert buffer.next_deadline() is None
    assert buffer.pop(1.0) is None


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
def test_every_packet_time_is_understood(ptime_ms: int) -> None:
    popped = play(JitterBuffer(), stream(6.0, ptime_ms=ptime_ms, loss=0.03))
    assert samples_of(popped) == pytest.approx(48_000, abs=3 * 480)


arbitrary_arrivals = st.lists(
    st.tuples(st.integers(0, 300), st.floats(0, 0.3)),
    min_size=1,
    max_size=120,
    unique_by=lambda item: item[0],
)


@settings(max_examples=60, deadline=None)
@given(arbitrary_arrivals, st.integers(0, 0xFFFF), st.integers(0, 5))
def test_no_frame_twice_never_backwards_never_blocked(
    entries: list[tuple[int, float]], base: int, repeats: int
) -> None:
    arrivals = [
        Arrival(RtpPacket(0, (base + index) & 0xFFFF, index * 160, 1, speech(index)), index * 0.02 + delay)
        for index, delay in entries + entries[:repeats]
    ]
    arrivals.sort(key=lambda arrival: arrival.at)
    buffer = JitterBuffer()
    popped = play(buffer, arrivals, until=arrivals[-1].at + 0.25)
    heard = audio_of(popped)
    assert heard == sorted(set(heard))
    in_time = len(entries) + len(entries[:repeats]) - buffer.counts.duplicate - buffer.counts.late
    assert len(heard) == in_time - buffer.counts.unconfirmed
    assert samples_of(popped) <= (300 + 50) * 160 + buffer.timeline.stretched
