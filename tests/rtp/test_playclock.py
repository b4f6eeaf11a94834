from functools import partial
from random import Random

import numpy as np
import pytest

from rtp import g711
from rtp.frames import Concealed, Frame
from rtp.packet import serialize
from rtp.session import RtpParams, RtpSession
from tests.rtp.streams import CALLER, Arrival, speech, stream, tone

pytestmark = pytest.mark.slow

START = 100.0
Heard = list[tuple[Frame | Concealed, float]]


def play(
    arrivals: list[Arrival], seconds: float, ptime_ms: int = 20, phase_s: float = 0.003
) -> tuple[Heard, RtpSession]:
    """What a listener whose clock ticks every `ptime_ms` hears of a stream."""
    rtp = RtpSession(RtpParams(CALLER), now=START, rng=Random(1))
    heard: Heard = []
    coming = iter(arrivals)
    arrival = next(coming, None)
    for tick in range(round(seconds * 1000 / ptime_ms)):
        now = START + phase_s + tick * ptime_ms / 1000
        while arrival is not None and arrival.at <= now:
            rtp.receive_datagram(serialize(arrival.packet), CALLER, arrival.at)
            arrival = next(coming, None)
        frame = rtp.play_frame(ptime_ms * 8, now)
        if frame is not None:
            heard.append((frame, now))
    return heard, rtp


def numbers(heard: Heard) -> list[int]:
    """The frames of speech() that were heard."""
    return [int.from_bytes(frame.payload[:4], "big") for frame, _ in heard if isinstance(frame, Frame)]


def test_every_tick_has_a_frame_after_the_depth() -> None:
    heard, _ = play(stream(2.0), 2.1)
    assert numbers(heard)[:90] == list(range(90))
    first = heard[0][1]
    assert first - (START + 0.1) == pytest.approx(0.06, abs=0.021)
    assert all(len(frame.payload) == 160 for frame, _ in heard)
    assert [at for _, at in heard] == pytest.approx([first + 0.02 * n for n in range(len(heard))])


def test_jitter_within_the_depth_is_unheard() -> None:
    heard, rtp = play(stream(20.0, jitter_ms=8), 20.0)
    report = rtp.report(START + 20).inbound
    assert (report.starved_ms, report.dropped_ms, report.late) == (0, 0, 0)
    assert numbers(heard) == list(range(len(heard)))


def test_heavy_jitter_deepens_the_delay_once_and_costs_little() -> None:
    _, rtp = play(stream(60.0, jitter_ms=50), 60.0)
    report = rtp.report(START + 60).inbound
    assert report.late / 3000 <= 0.03
    assert report.playout_delay_ms is not None
    assert 100 < report.playout_delay_ms <= 240
    assert report.starved_ms + report.inserted_ms < 600


def test_a_loss_is_concealed_when_its_audio_is_due() -> None:
    arrivals = stream(1.0)
    del arrivals[20]
    heard, _ = play(arrivals, 1.1)
    assert isinstance(heard[20][0], Concealed)
    assert numbers(heard[:45]) == [*range(20), *range(21, 45)]


def test_reordering_at_the_very_beginning_loses_nothing() -> None:
    arrivals = stream(1.0)
    arrivals[0] = arrivals[0]._replace(at=arrivals[2].at + 0.001)
    arrivals.sort(key=lambda arrival: arrival.at)
    heard, rtp = play(arrivals, 1.0)
    assert numbers(heard)[:40] == list(range(40))
    assert rtp.report(START).inbound.late == 0


@pytest.mark.parametrize("seconds", [600, pytest.param(3600, marks=pytest.mark.e2e)])
@pytest.mark.parametrize("ppm", [500, -500])
def test_the_delay_stays_within_a_frame_under_drift(ppm: int, seconds: int) -> None:
    heard, rtp = play(stream(seconds, ptime_ms=60, drift_ppm=ppm), seconds, ptime_ms=60, phase_s=0.03)
    sent = {number: START + 0.1 + number * 0.06 * (1 - ppm * 1e-6) for number in range(seconds * 17)}
    delays = [
        1000 * (at - sent[number])
        for (_, at), number in zip(
            [entry for entry in heard if isinstance(entry[0], Frame)], numbers(heard), strict=True
        )
        if number in sent
    ]
    assert max(abs(delay - delays[0]) for delay in delays) <= 60
    report = rtp.report(START + seconds).inbound
    assert report.dropped_ms - report.inserted_ms == pytest.approx(ppm * seconds / 1000, abs=120)


def test_an_outage_and_its_burst_leave_no_lasting_delay() -> None:
    arrivals = [entry._replace(at=102.0 if 101.0 < entry.at < 102.0 else entry.at) for entry in stream(5.0)]
    heard, rtp = play(arrivals, 5.1)
    delay_ms = rtp.report(START + 5).inbound.playout_delay_ms
    assert delay_ms is not None
    assert delay_ms <= 260
    assert numbers(heard) == sorted(numbers(heard))


def test_a_pause_is_filled_with_the_noise_that_was_asked_for() -> None:
    before, after = (
        stream(0.5),
        stream(0.5, start=103.0, first_sequence=1026, first_timestamp=50_000 + 24_000),
    )
    noise = before[-1].packet._replace(payload_type=13, sequence=1025, timestamp=54_000, payload=b"\x28")
    heard, rtp = play([*before, Arrival(noise, 100.6), *after], 3.6)
    pause = b"".join(frame.payload for frame, at in heard if 101 < at < 103)
    level = np.std(np.frombuffer(g711.ulaw_to_pcm(pause), "<i2"))
    assert 20 * np.log10(level / 32124) == pytest.approx(-40, abs=1)
    report = rtp.report(START + 4).inbound
    assert report.starved_ms == 0
    assert report.playout_delay_ms == pytest.approx(63, abs=20)
    assert numbers(heard)[25:45] == list(range(20))


def test_frames_are_dropped_in_a_pause_rather_than_in_speech() -> None:
    words, quiet = g711.pcm_to_ulaw(tone(300, seconds=0.02)), b"\xff" * 160
    arrivals = [
        Arrival(entry.packet._replace(payload=quiet if index % 100 >= 90 else words), entry.at)
        for index, entry in enumerate(stream(300.0, drift_ppm=500))
    ]
    heard, rtp = play(arrivals, 300.0)
    assert rtp.report(START).inbound.dropped_ms > 100
    kept = sum(frame.payload == words for frame, _ in heard)
    assert kept == pytest.approx(0.9 * len(arrivals), abs=8)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_network_does_no_frame_twice_and_never_backwards(seed: int) -> None:
    arrivals = stream(20.0, loss=0.1, jitter_ms=15 * seed, duplicates=0.1, wrap=True, seed=seed)
    outage = [entry for entry in arrivals if not 105 < entry.at < 106.5]
    heard, _ = play(outage, 20.5)
    assert numbers(heard) == sorted(set(numbers(heard)))
    assert len(numbers(heard)) > 600
    assert {len(frame.payload) for frame, _ in heard} == {160}
    assert len(heard) == pytest.approx(20.5 * 50, abs=15)


def test_a_change_of_law_drops_what_waits_in_the_old_one() -> None:
    rtp = RtpSession(RtpParams(CALLER), now=START, rng=Random(1))
    for packet, at in stream(0.2):
        rtp.receive_datagram(serialize(packet), CALLER, at)
    assert rtp.play_frame(160, START + 0.3) == Frame(speech(0))
    rtp.update_remote(RtpParams(CALLER, codec="PCMA", payload_type=8), START + 0.3)
    frame = rtp.play_frame(160, START + 0.32)
    assert isinstance(frame, Concealed)
    assert len(frame.payload) == 160


def test_who_listens_after_a_while_begins_anew() -> None:
    """A bridge, then a model, which takes audio as it comes, then a bridge once more."""
    rtp = RtpSession(RtpParams(CALLER), now=START, rng=Random(1))
    coming = iter(stream(6.0))
    arrival = next(coming, None)
    heard: list[list[int]] = [[], [], []]
    for tick in range(300):
        now, part = START + 0.003 + tick * 0.02, tick // 100
        while arrival is not None and arrival.at <= now:
            rtp.receive_datagram(serialize(arrival.packet), CALLER, arrival.at)
            arrival = next(coming, None)
        if part == 1:
            rtp.stop_playing()
            pieces = list(iter(partial(rtp.pop_frame, now), None))
        else:
            piece = rtp.play_frame(160, now)
            pieces = [piece] if piece is not None else []
        heard[part] += numbers([(piece, now) for piece in pieces])
    for part in heard:
        assert part == list(range(part[0], part[-1] + 1))
        assert len(part) >= 90
    assert heard[1][-1] + 1 == heard[2][0]
    report = rtp.report(START + 6).inbound
    assert (report.starved_ms, report.dropped_ms, report.late) == (0, 0, 0)
