"""Who has answered, by voices of a kind and tones. Real speech is in tests/e2e/test_answering_accuracy.py."""

from collections.abc import Iterator

import numpy as np
import pytest

from rtp.answering import Answerer, AnsweringDetector, AnsweringParams, Beep
from sipagent.sounds.tones import mix, silence

FRAME_BYTES = 320


def voice(ms: int, seed: int = 3) -> bytes:
    """Syllables: a harmonic sound whose pitch and loudness move."""
    random, pieces = np.random.default_rng(seed), []
    while sum(map(len, pieces)) < 8 * ms:
        at = np.arange(8 * int(random.integers(90, 180))) / 8000
        pitch = random.uniform(90, 160) * (1 + 0.1 * at)
        wave = sum(np.sin(2 * np.pi * n * pitch * at) / n for n in range(1, 12))
        pieces += [3000 * wave * np.hanning(len(at)), np.zeros(8 * 20)]
    return np.concatenate(pieces)[: 8 * ms].astype("<i2").tobytes()


def beep(hz: int = 1000, ms: int = 400) -> bytes:
    return mix((hz,), (8000,), ms)


def heard(*sounds: bytes, detector: AnsweringDetector | None = None) -> Iterator[Answerer | Beep]:
    detector = detector or AnsweringDetector(AnsweringParams(), 0.0)
    whole = b"".join(sounds)
    for count, at in enumerate(range(0, len(whole), FRAME_BYTES), 1):
        yield from detector.hear(whole[at : at + FRAME_BYTES], 0.02 * count)


def verdict(*sounds: bytes) -> tuple[str, str]:
    who = next(told for told in heard(*sounds) if isinstance(told, Answerer))
    return who.kind, who.reason


def test_a_word_and_silence_is_a_human() -> None:
    (who,) = heard(silence(600), voice(700), silence(3000))
    assert isinstance(who, Answerer)
    assert (who.kind, who.reason) == ("human", "short_greeting")
    assert who.initial_silence_ms == pytest.approx(600, abs=60)
    assert who.greeting_ms == pytest.approx(700, abs=100)
    assert who.after_ms == pytest.approx(600 + 700 + 800, abs=150)


def test_a_sentence_is_given_more_time_to_go_on() -> None:
    (who,) = heard(silence(300), voice(2500), silence(3000))
    assert isinstance(who, Answerer)
    assert who.kind == "human"
    assert who.after_ms == pytest.approx(300 + 2500 + 1400, abs=150)


def test_who_goes_on_is_a_machine_and_its_beep_is_told() -> None:
    who, signal = heard(silence(300), voice(6000), silence(400), beep(1000, 400), silence(2000))
    assert isinstance(who, Answerer)
    assert (who.kind, who.reason) == ("machine", "long_greeting")
    assert isinstance(signal, Beep)
    assert signal.hz == pytest.approx(1000, abs=10)
    assert signal.duration_ms == pytest.approx(400, abs=40)
    assert signal.after_ms == pytest.approx(7100, abs=100)


def test_a_beep_right_after_a_short_greeting_makes_it_a_machine() -> None:
    who, signal = heard(silence(300), voice(1500), silence(500), beep(), silence(2000))
    assert isinstance(who, Answerer)
    assert (who.kind, who.reason) == ("machine", "beep")
    assert isinstance(signal, Beep)
    assert signal.after_ms == who.after_ms


def test_a_machine_that_has_no_beep_is_silent_in_the_end() -> None:
    _, signal = heard(voice(6000), silence(5000))
    assert signal == Beep(0, 0, pytest.approx(9000, abs=150))


def test_a_machine_without_a_greeting_beeps_at_once() -> None:
    assert verdict(silence(500), beep(1400, 300), silence(2000)) == ("machine", "beep")


@pytest.mark.parametrize("digit", [(697, 1209), (852, 1336)])
def test_a_key_is_no_beep(digit: tuple[int, int]) -> None:
    told = list(heard(voice(5000), silence(300), mix(digit, (6000, 6000), 300), silence(500)))
    assert [type(each) for each in told] == [Answerer]


def test_busy_tone_is_no_beep() -> None:
    busy = (mix((425,), (6000,), 480) + silence(480)) * 5
    assert [type(each) for each in heard(voice(5000), silence(300), busy)] == [Answerer]


def test_ringing_goes_on_until_it_is_not_known_who_it_is() -> None:
    ringing = mix((425,), (6000,), 1000) + silence(4000)
    assert verdict(silence(200), ringing, ringing)[0] == "unknown"


@pytest.mark.parametrize("hz", [2085, 2115])
def test_a_fax_answers(hz: int) -> None:
    (who,) = heard(silence(300), mix((hz,), (8000,), 2600))
    assert isinstance(who, Answerer)
    assert (who.kind, who.reason) == ("fax", "fax_tone")
    assert who.after_ms == pytest.approx(800, abs=60)


def test_a_fax_that_calls_answers() -> None:
    calling = mix((1100,), (8000,), 500) + silence(3000)
    assert verdict(silence(300), calling, calling) == ("fax", "fax_tone")


@pytest.mark.parametrize("hertz", [(914, 1371, 1777), (985, 1429, 1777)])
def test_three_rising_tones_begin_an_announcement(hertz: tuple[int, int, int]) -> None:
    tones = b"".join(mix((hz,), (8000,), ms) for hz, ms in zip(hertz, (380, 276, 380), strict=True))
    assert verdict(silence(200), tones, voice(4000)) == ("announcement", "special_information_tones")


def test_nobody_says_anything() -> None:
    assert verdict(silence(6000)) == ("unknown", "initial_silence")


def test_noise_is_not_speech() -> None:
    noise = np.random.default_rng(1).normal(0, 150, 8 * 6000).astype("<i2").tobytes()
    assert verdict(noise) == ("unknown", "initial_silence")


def test_a_loud_sound_that_goes_on_and_on_is_a_machine() -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 8 * 6000).astype("<i2").tobytes()
    assert verdict(noise) == ("machine", "steady_sound")


def test_nothing_is_told_twice() -> None:
    detector = AnsweringDetector(AnsweringParams(), 0.0)
    assert len(list(heard(voice(600), silence(2000), detector=detector))) == 1
    assert detector.is_over
    assert list(heard(voice(6000), beep(), silence(4000), detector=detector)) == []


def test_a_phone_that_sends_nothing_is_silent() -> None:
    detector = AnsweringDetector(AnsweringParams(), 10.0)
    told = [each for step in range(300) for each in detector.tick(10.0 + 0.02 * step)]
    assert [(each.kind, each.reason) for each in told if isinstance(each, Answerer)] == [
        ("unknown", "initial_silence")
    ]


def test_silence_that_was_not_sent_is_not_counted_again_when_it_is_filled() -> None:
    """A phone with silence suppression says nothing for 1 s; its next packet brings the silence along."""
    detector = AnsweringDetector(AnsweringParams(), 0.0)
    for step in range(50):
        assert not list(detector.tick(0.02 * step))
    (who,) = [
        *detector.hear(silence(1000) + voice(700), 1.7),
        *detector.hear(silence(1000), 2.7),
    ]
    assert isinstance(who, Answerer)
    assert (who.kind, who.initial_silence_ms) == ("human", pytest.approx(1000, abs=60))
    assert who.greeting_ms == pytest.approx(700, abs=100)
