"""Tones of our own, judged by whoever listens for them."""

from __future__ import annotations

import numpy as np
import pytest

from rtp.inband import InbandDigits
from sipagent.media import tones


@pytest.mark.parametrize("digit", tones.KEYPAD)
def test_a_key_is_understood(digit: str) -> None:
    heard = InbandDigits().feed(tones.key(digit, 100) + b"\0\0" * 800)
    assert [press.digit for press in heard] == [digit]
    assert heard[0].duration_ms == pytest.approx(100, abs=20)


def test_a_letter_may_be_small() -> None:
    assert tones.key("d", 100) == tones.key("D", 100)


def test_the_hold_tone_is_a_short_beep_that_no_one_takes_for_a_digit() -> None:
    period = tones.hold()
    samples = np.frombuffer(period, "<i2")
    assert len(samples) == 8 * tones.HOLD_EVERY_MS
    beep, rest = samples[: 8 * tones.HOLD_MS], samples[8 * tones.HOLD_MS :]
    assert 1000 < np.max(np.abs(beep)) <= tones.HOLD_PEAK
    assert not rest.any()
    assert InbandDigits().feed(period) == []
