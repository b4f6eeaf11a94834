import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.resample import PolyphaseResampler, SoxrResampler, make_resampler
from tests.rtp.streams import tone

PAIRS = [
    (8000, 16000),
    (8000, 24000),
    (16000, 24000),
    (16000, 8000),
    (24000, 8000),
    (24000, 16000),
    (48000, 8000),
]


def level_db(pcm: bytes, frequency_hz: float, rate_hz: int) -> float:
    """The level of one frequency, 0 dB for the tone() of level 8000, without the first 10 ms."""
    samples = np.frombuffer(pcm, "<i2").astype(float)[rate_hz // 100 :]
    phase = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    return float(20 * np.log10(2 * abs((samples * phase).mean()) / 8000 + 1e-9))


@pytest.mark.parametrize(("src", "dst"), PAIRS)
@pytest.mark.parametrize("frequency", [300, 1000, 3000])
def test_speech_passes_at_its_level(src: int, dst: int, frequency: int) -> None:
    converted = make_resampler(src, dst).process(tone(frequency, rate_hz=src))
    assert level_db(converted, frequency, dst) == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("frequency", [4400, 5000, 7500, 9000])
def test_what_would_alias_is_gone(frequency: int) -> None:
    alias = abs((frequency + 4000) % 8000 - 4000)
    converted = make_resampler(24000, 8000).process(tone(frequency, rate_hz=24000))
    assert level_db(converted, alias, 8000) < -35


def test_images_of_the_lower_rate_are_gone() -> None:
    converted = make_resampler(8000, 24000).process(tone(1000))
    assert level_db(converted, 7000, 24000) < -40
    assert level_db(converted, 9000, 24000) < -40


@pytest.mark.parametrize(("src", "dst"), PAIRS)
def test_delay_is_within_the_budget_and_as_stated(src: int, dst: int) -> None:
    resampler = make_resampler(src, dst)
    click = np.zeros(src // 10, "<i2")
    click[src // 20] = 30000
    heard = np.frombuffer(resampler.process(click.tobytes()), "<i2")
    measured_ms = 1000 * (np.argmax(np.abs(heard)) / dst - 0.05)
    assert resampler.delay_ms <= 1.5
    assert measured_ms == pytest.approx(resampler.delay_ms, abs=1000 / min(src, dst))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 500), max_size=12))
def test_any_chunks_give_the_same_audio(pair: tuple[int, int], sizes: list[int]) -> None:
    audio = tone(700, seconds=0.25, rate_hz=pair[0])
    stream, chunks, start = make_resampler(*pair), b"", 0
    for size in [*sizes, len(audio)]:
        chunks += stream.process(audio[start : start + 2 * size])
        start += 2 * size
    assert chunks == make_resampler(*pair).process(audio)


@pytest.mark.parametrize(("src", "dst"), PAIRS)
def test_lengths_keep_the_ratio(src: int, dst: int) -> None:
    converted = make_resampler(src, dst).process(bytes(2 * src))
    assert len(converted) // 2 == pytest.approx(dst, abs=dst // src + 1)


def test_full_scale_does_not_wrap_around() -> None:
    square = np.tile(np.repeat(np.array([32767, -32768], "<i2"), 20), 50).tobytes()
    converted = np.frombuffer(make_resampler(8000, 24000).process(square), "<i2").astype(int)
    assert np.abs(np.diff(converted)).max() < 40_000


def test_live_rates_use_the_short_filter_and_odd_ones_soxr() -> None:
    assert isinstance(make_resampler(24000, 8000), PolyphaseResampler)
    odd = make_resampler(44100, 8000)
    assert isinstance(odd, SoxrResampler)
    converted = b"".join(odd.process(tone(1000, 0.1, 44100)) for _ in range(10))
    assert len(converted) / 2 / 8000 == pytest.approx(1.0, abs=0.05)
    assert 0 <= odd.delay_ms < 50


def test_equal_rates_need_no_resampler() -> None:
    with pytest.raises(ValueError, match="itself"):
        make_resampler(8000, 8000)
