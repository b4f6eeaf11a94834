"""Whose voice is it that comes back."""

import numpy as np
import pytest

from rtp.activity import PAUSE_MS, Burst, SpeechDetector
from rtp.echo import EchoGuard

RATE = 8000


def voice(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Noise that comes and goes in syllables."""
    rng = np.random.default_rng(seed)
    at = np.arange(int(RATE * seconds)) / RATE
    return 6000 * rng.standard_normal(len(at)) * np.clip(np.sin(2 * np.pi * 3 * at + seed), 0.05, 1)


def pcm(wave: np.ndarray) -> bytes:
    return np.clip(wave, -32768, 32767).astype("<i2").tobytes()


def guard(sent: np.ndarray, heard: np.ndarray) -> EchoGuard:
    guard = EchoGuard()
    guard.sent(pcm(sent))
    guard.heard(pcm(heard))
    return guard


@pytest.mark.parametrize("delay_ms", [0, 60, 300, 700])
def test_an_echo_is_known_whatever_its_delay(delay_ms: int) -> None:
    sent = voice(1)
    delayed = np.concatenate((np.zeros(delay_ms * 8), 0.2 * sent))[: len(sent)]
    assert guard(sent, delayed).hears_echo()


def test_an_echo_is_known_through_noise_and_a_bad_loudspeaker() -> None:
    sent = voice(1)
    distorted = np.convolve(sent, [0.2, 0.1, -0.05])[: len(sent)]
    assert guard(sent, distorted + 50 * voice(9) / 6000).hears_echo()


def test_another_voice_is_no_echo() -> None:
    assert not guard(voice(1), voice(2)).hears_echo()


def test_who_speaks_over_an_echo_is_heard() -> None:
    assert not guard(voice(1), voice(2) + 0.1 * voice(1)).hears_echo()


def test_silence_is_no_echo() -> None:
    assert not guard(voice(1), np.zeros(RATE)).hears_echo()
    assert not EchoGuard().hears_echo()


def test_an_echo_that_has_just_begun_or_ended_is_one() -> None:
    sent = voice(1)
    begun, ended = sent * 0.3, sent * 0.3
    begun[:-800] = 0
    ended[-800:] = 0
    assert guard(sent, begun).hears_echo()
    assert guard(sent, ended).hears_echo()


def test_speech_is_what_is_louder_than_the_line() -> None:
    rng = np.random.default_rng(1)
    line = 100 * rng.standard_normal(RATE)
    detector = SpeechDetector()
    assert not any(detector.feed(pcm(line)))
    assert all(detector.feed(pcm(line + 2000 * np.sin(np.arange(RATE)))))


def test_a_burst_counts_speech_and_outlasts_short_pauses() -> None:
    loud, quiet = pcm(3000 * np.sin(np.arange(1600))), bytes(3200)  # 200 ms of each
    burst = Burst()
    burst.feed(loud)
    burst.feed(quiet)
    burst.feed(loud)
    assert (burst.speech_ms, burst.quiet_ms, burst.is_over) == (400, 0, False)
    burst.feed(quiet * (PAUSE_MS // 200 + 1))
    assert burst.is_over
    burst.feed(loud)
    assert burst.speech_ms == 200
