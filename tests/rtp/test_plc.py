import numpy as np

from rtp.plc import HISTORY, Concealer
from tests.rtp.streams import tone


def test_a_steady_tone_goes_on_in_phase() -> None:
    audio = tone(200, seconds=0.1)
    concealer = Concealer()
    concealer.good(audio[:-160])
    invented = np.frombuffer(concealer.conceal(80), "<i2").astype(float)
    expected = np.frombuffer(audio[-160:], "<i2").astype(float)
    assert np.sqrt(np.mean((invented - expected) ** 2)) < 0.1 * np.sqrt(np.mean(expected**2))


def test_a_long_hole_fades_to_silence() -> None:
    concealer = Concealer()
    concealer.good(tone(150, seconds=0.1))
    frames = [np.frombuffer(concealer.conceal(160), "<i2") for _ in range(4)]
    levels = [int(np.abs(frame).max()) for frame in frames]
    assert levels[0] > levels[1] > levels[2] > levels[3] == 0


def test_the_hole_may_be_concealed_in_pieces() -> None:
    whole, pieces = Concealer(), Concealer()
    for concealer in (whole, pieces):
        concealer.good(tone(180, seconds=0.1))
    assert whole.conceal(320) == pieces.conceal(100) + pieces.conceal(220)


def test_good_audio_ends_the_fade() -> None:
    concealer = Concealer()
    concealer.good(tone(150, seconds=0.1))
    concealer.conceal(800)
    concealer.good(tone(150, seconds=0.1))
    assert np.abs(np.frombuffer(concealer.conceal(80), "<i2")).max() > 7000


def test_silence_stays_silent() -> None:
    concealer = Concealer()
    concealer.good(bytes(2 * HISTORY))
    assert concealer.conceal(160) == bytes(320)


def test_nothing_known_is_silence() -> None:
    assert Concealer().conceal(160) == bytes(320)
