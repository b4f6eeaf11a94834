"""Who answers is told from the audio of either law, and from none at all."""

from __future__ import annotations

import pytest

from rtp.answering import Answerer, AnsweringParams, Beep
from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.media import pipeline
from sipagent.media.answering import AnswerWatch
from sipagent.simulator.laws import encoded
from sipagent.sounds.tones import mix, silence

FAX = mix((2100,), (8000,), 1000)


def watch() -> tuple[AnswerWatch, list[tuple[Answerer | Beep, float]]]:
    told: list[tuple[Answerer | Beep, float]] = []
    return AnswerWatch(AnsweringParams(), lambda each, now: told.append((each, now))), told


@pytest.mark.parametrize("law", [ULAW, ALAW])
def test_it_hears_what_goes_to_the_backend(law: AudioFormat) -> None:
    answering, told = watch()
    path = pipeline.caller(law, law, lambda audio, now: None, None, answering=answering)
    assert "tee(answering) -> backend" in str(path)
    answering.tick(5.0)
    path.write(encoded(silence(300) + FAX, law), 6.3)
    ((who, at),) = told
    assert isinstance(who, Answerer)
    assert (who.kind, at) == ("fax", 6.3)
    assert answering.is_over


def test_after_that_it_does_nothing() -> None:
    answering, told = watch()
    write = answering.lane(ULAW)
    for _ in range(2):
        write(encoded(FAX, ULAW), 1.0)
    assert len(told) == 1


def test_a_phone_that_sends_nothing_is_silent() -> None:
    answering, told = watch()
    for step in range(250):
        answering.tick(5.0 + 0.02 * step)
    ((who, at),) = told
    assert isinstance(who, Answerer)
    assert who.reason == "initial_silence"
    assert at == pytest.approx(5.0 + 3.5 + 0.22, abs=0.05)
