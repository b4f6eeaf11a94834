import shutil
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.speech import VOICES, speech
from rtp.events import DigitReceived
from rtp.g711 import DECODE, ENCODE, Law
from rtp.inband import COLUMNS_HZ, KEYPAD, ROWS_HZ, InbandDigits

pytestmark = pytest.mark.slow

AMPLITUDE_0_DBM0 = 32768 * 10 ** (-3.14 / 20)
Samples = npt.NDArray[np.float64]


def key(
    digit: str, ms: int = 40, level_dbm0: float = -10.0, twist_db: float = 0.0, off: float = 0.0
) -> Samples:
    """A press; `twist_db` is the high tone over the low one, `off` both tones' relative error."""
    row, column = divmod(KEYPAD.index(digit), 4)
    time = np.arange(ms * 8) / 8000
    level = AMPLITUDE_0_DBM0 * 10 ** (level_dbm0 / 20)
    low = np.sin(2 * np.pi * ROWS_HZ[row] * (1 + off) * time + 0.3)
    high = np.sin(2 * np.pi * COLUMNS_HZ[column] * (1 + off) * time) * 10 ** (twist_db / 20)
    return np.asarray(level * (low + high))


def pause(ms: int = 40) -> Samples:
    return np.zeros(ms * 8)


def dial(digits: str, ms: int = 40, gap_ms: int = 40, **how: float) -> Samples:
    return np.concatenate([part for digit in digits for part in (key(digit, ms, **how), pause(gap_ms))])


def detect(samples: Samples, law: Law = Law.ULAW, chunk: int = 160) -> list[DigitReceived]:
    """What is found in audio that went through a law, in chunks of a stream that goes on silently."""
    pcm = np.clip(np.concatenate((samples, pause(60))), -32768, 32767).astype("<i2").tobytes()
    coded = DECODE[law](ENCODE[law](pcm))
    detector = InbandDigits()
    return [
        press for at in range(0, len(coded), 2 * chunk) for press in detector.feed(coded[at : at + 2 * chunk])
    ]


def text(presses: list[DigitReceived]) -> str:
    return "".join(press.digit for press in presses)


@pytest.mark.parametrize(("law", "offset"), list(product(Law, range(0, 80, 7))))
def test_the_shortest_digits_and_pauses_at_any_phase(law: Law, offset: int) -> None:
    samples = np.concatenate((np.zeros(offset), dial(KEYPAD)))
    assert text(detect(samples, law)) == KEYPAD


@pytest.mark.parametrize("level_dbm0", [-25, -15, -3])
@pytest.mark.parametrize("twist_db", [-8, 0, 4])
@pytest.mark.parametrize("off", [-0.015, 0.0, 0.015])
def test_levels_twist_and_pitch_within_the_limits(level_dbm0: float, twist_db: float, off: float) -> None:
    how = {"level_dbm0": level_dbm0 - max(twist_db, 0) * (level_dbm0 > -10), "twist_db": twist_db, "off": off}
    if twist_db < 0 and level_dbm0 == -25:
        how["level_dbm0"] = -17.0
    assert text(detect(dial(KEYPAD, **how))) == KEYPAD


@pytest.mark.parametrize(
    "how", [{"off": 0.035}, {"off": -0.035}, {"level_dbm0": -45.0}, {"twist_db": 9.0}, {"twist_db": -13.0}]
)
def test_what_is_outside_the_limits_is_no_digit(how: dict[str, float]) -> None:
    assert detect(dial(KEYPAD, ms=100, **how)) == []


def test_a_short_burst_is_no_digit() -> None:
    assert detect(dial(KEYPAD, ms=20)) == []


def test_an_interruption_of_ten_ms_does_not_make_two_digits() -> None:
    assert text(detect(np.concatenate((key("5", 60), pause(10), key("5", 60))))) == "5"


def test_a_long_press_is_one_digit_of_its_length() -> None:
    [press] = detect(key("#", 1500))
    assert press.digit == "#"
    assert press.duration_ms == pytest.approx(1500, abs=20)


def test_digits_that_follow_at_once_are_told_apart() -> None:
    assert text(detect(np.concatenate([key(digit, 60) for digit in "1590"]))) == "1590"


@pytest.mark.parametrize("snr_db", [25, 15])
def test_digits_are_found_in_noise(snr_db: float) -> None:
    samples = dial(KEYPAD, 50, 50)
    rms = AMPLITUDE_0_DBM0 * 10 ** (-10 / 20) * 10 ** (-snr_db / 20)
    assert text(detect(samples + np.random.default_rng(1).normal(0, rms, len(samples)))) == KEYPAD


@pytest.mark.parametrize("chunk", [1, 79, 80, 333, 4000])
def test_chunks_make_no_difference(chunk: int) -> None:
    assert detect(dial("147#"), chunk=chunk) == detect(dial("147#"))


@pytest.mark.parametrize("frequency_hz", [425, 697, 1000, 1336, 2100])
def test_one_tone_is_no_digit(frequency_hz: int) -> None:
    assert detect(8000 * np.sin(2 * np.pi * frequency_hz * np.arange(8000) / 8000)) == []


def test_noise_is_no_digit() -> None:
    assert detect(np.random.default_rng(2).normal(0, 4000, 80_000)) == []


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
@pytest.mark.parametrize(("voice", "law"), list(product(VOICES, Law)))
def test_speech_talks_no_digit_off(voice: str, law: Law) -> None:
    """Also half an octave up and down, which moves the formants across the tones."""
    words = speech(voice).astype(float)
    for speed in (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4):
        places = np.arange(0, len(words) - 1, speed)
        assert detect(np.interp(places, np.arange(len(words)), words), law) == []


def test_digits_are_found_between_words() -> None:
    words = speech(VOICES[0]).astype(float)[8000:24_000]
    assert text(detect(np.concatenate((words, pause(), dial("42", 80, 80), words)))) == "42"
