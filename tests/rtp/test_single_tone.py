"""Single tones: measured, told from what is none, and put together over time."""

import numpy as np
import pytest

from rtp.single_tone import LEAST_DB, SILENCE, Frame, Tone, ToneTracker, measure

AT = np.arange(160) / 8000


def sines(*hertz: float, peak: float = 8000, noise: float = 0.0, seed: int = 1) -> np.ndarray:
    wave = sum(peak * np.sin(2 * np.pi * hz * AT + 0.3) for hz in hertz)
    return np.asarray(wave + np.random.default_rng(seed).normal(0, noise or 1e-3, 160), np.float32)


@pytest.mark.parametrize("hz", [400, 425, 620, 1000, 1100, 1400, 2000, 2100])
@pytest.mark.parametrize("snr_db", [15, 40])
def test_a_tone_is_measured_in_the_noise_of_a_line(hz: int, snr_db: int) -> None:
    frame = measure(sines(hz, noise=8000 / 2**0.5 * 10 ** (-snr_db / 20)))
    assert frame.hz == pytest.approx(hz, rel=0.03)
    assert frame.level_db == pytest.approx(20 * np.log10(8000 / 32768), abs=0.3)


@pytest.mark.parametrize("pair", [(697, 1209), (941, 1633), (440, 480), (350, 440)])
def test_two_tones_are_none(pair: tuple[int, int]) -> None:
    assert measure(sines(*pair)).hz == 0


def test_noise_and_silence_are_none() -> None:
    noise = np.random.default_rng(2).normal(0, 3000, (50, 160)).astype(np.float32)
    assert all(measure(frame).hz == 0 for frame in noise)
    assert measure(np.zeros(160, np.float32)) == SILENCE == Frame(LEAST_DB)


def told(*frames: Frame) -> list[Tone]:
    tracker = ToneTracker()
    return [tone for frame in frames if (tone := tracker.feed(frame)) is not None]


def test_a_tone_is_told_when_it_is_over() -> None:
    tones = told(*[SILENCE] * 5, *[Frame(-20, 1000)] * 10, *[SILENCE] * 5)
    assert tones == [Tone(1000, 5, 15)]
    assert tones[0].duration_ms == 200


def test_a_lost_packet_does_not_end_it() -> None:
    assert told(*[Frame(-20, 1000)] * 5, Frame(-30), *[Frame(-20, 1000)] * 5, *[SILENCE] * 3) == [
        Tone(1000, 0, 11)
    ]


def test_another_frequency_is_another_tone() -> None:
    tones = told(*[Frame(-20, 914)] * 15, *[Frame(-20, 1371)] * 15, *[Frame(-20, 1777)] * 15, *[SILENCE] * 3)
    assert [round(tone.hz) for tone in tones] == [914, 1371, 1777]
    assert [tone.start for tone in tones] == pytest.approx([0, 15, 30], abs=2)


def test_a_voice_that_sings_up_and_down_is_none() -> None:
    assert told(*[Frame(-20, 600 + 40 * step) for step in range(20)], *[SILENCE] * 3) == []


def test_a_tone_that_stands_is_known_as_far_as_it_has_come() -> None:
    tracker = ToneTracker()
    for _ in range(25):
        tracker.feed(Frame(-20, 2100))
    assert tracker.current == Tone(2100, 0, 25)
