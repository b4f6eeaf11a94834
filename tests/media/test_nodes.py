"""Every conversion between two formats, and how it prints."""

from __future__ import annotations

import numpy as np
import pytest

from rtp import g711
from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.media.nodes import Convert, Sink, Tee, conversions, convert_into, decoder, encoder
from tests.rtp.streams import tone

PCM8, PCM16, PCM24 = (AudioFormat("pcm", rate) for rate in (8000, 16000, 24000))
TONE_HZ = 1000.0


class Listener:
    """The end of a path, and all that came out there."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, float]] = []
        self.sink = Sink("backend", lambda audio, now: self.heard.append((audio, now)))

    @property
    def audio(self) -> bytes:
        return b"".join(audio for audio, _ in self.heard)


@pytest.fixture
def listener() -> Listener:
    return Listener()


def spoken(audio: AudioFormat, seconds: float = 0.5) -> bytes:
    """A tone in a format."""
    pcm = tone(TONE_HZ, seconds, audio.rate)
    return pcm if audio.encoding == "pcm" else encoder(audio)(pcm)


def as_samples(audio: bytes, heard_as: AudioFormat) -> np.ndarray:
    return np.frombuffer(audio if heard_as.encoding == "pcm" else decoder(heard_as)(audio), "<i2")


def pitch_hz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


@pytest.mark.parametrize(
    ("source", "target", "labels"),
    [
        (ULAW, ULAW, []),
        (ALAW, ALAW, []),
        (PCM24, PCM24, []),
        (ULAW, ALAW, ["ulaw>alaw"]),
        (ALAW, ULAW, ["alaw>ulaw"]),
        (ULAW, PCM8, ["decode(ulaw)"]),
        (ALAW, PCM8, ["decode(alaw)"]),
        (PCM8, ULAW, ["encode(ulaw)"]),
        (PCM8, ALAW, ["encode(alaw)"]),
        (ULAW, PCM24, ["decode(ulaw)", "resample(8000>24000)"]),
        (ALAW, PCM16, ["decode(alaw)", "resample(8000>16000)"]),
        (PCM24, ULAW, ["resample(24000>8000)", "encode(ulaw)"]),
        (PCM16, PCM8, ["resample(16000>8000)"]),
    ],
    ids=str,
)
def test_a_path_has_the_steps_it_needs_and_no_other(
    source: AudioFormat, target: AudioFormat, labels: list[str], listener: Listener
) -> None:
    assert [label for label, _ in conversions(source, target)] == labels
    path = convert_into(source, target, listener.sink)
    assert str(path) == " -> ".join([*labels, "backend"])
    audio = spoken(source)
    frame_bytes = 20 * source.bytes_per_ms
    for at in range(0, len(audio), frame_bytes):
        path.write(audio[at : at + frame_bytes], 1.0)
    heard = as_samples(listener.audio, target)
    assert len(heard) == pytest.approx(0.5 * target.rate, abs=0.005 * target.rate)
    assert pitch_hz(heard, target.rate) == pytest.approx(TONE_HZ, abs=5)
    assert np.abs(heard).max() == pytest.approx(8000, rel=0.1)


def test_equal_formats_pass_the_very_same_bytes(listener: Listener) -> None:
    path = convert_into(ULAW, ULAW, listener.sink)
    audio = bytes(range(160))
    path.write(audio, 1.0)
    assert listener.heard[0][0] is audio


def test_transcoding_is_the_table_of_the_library(listener: Listener) -> None:
    every_byte = bytes(range(256))
    convert_into(ULAW, ALAW, listener.sink).write(every_byte, 1.0)
    convert_into(ALAW, ULAW, listener.sink).write(every_byte, 1.0)
    assert listener.audio == g711.ulaw_to_alaw(every_byte) + g711.alaw_to_ulaw(every_byte)


@pytest.mark.parametrize("law", [ULAW, ALAW], ids=str)
def test_law_bytes_survive_decoding_and_encoding(law: AudioFormat) -> None:
    every_byte = bytes(range(256))
    back = encoder(law)(decoder(law)(every_byte))
    assert decoder(law)(back) == decoder(law)(every_byte)


def test_a_tee_gives_its_tap_what_goes_on(listener: Listener) -> None:
    tapped: list[tuple[bytes, float]] = []
    path = Tee("rec.caller", lambda audio, now: tapped.append((audio, now)), listener.sink)
    path.write(b"ab", 1.5)
    assert tapped == listener.heard == [(b"ab", 1.5)]
    assert str(path) == "tee(rec.caller) -> backend"


def test_time_goes_along_unchanged(listener: Listener) -> None:
    Convert("twice", lambda audio: audio * 2, listener.sink).write(b"a", 7.25)
    assert listener.heard == [(b"aa", 7.25)]
