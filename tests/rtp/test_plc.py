import numpy as np

from rtp.plc import CONTEXT, Concealer
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
    frames = [np.frombuffer(concealer.conceal(160), "<i2") for _ in range(9)]
    levels = [int(np.abs(frame).max()) for frame in frames]
    assert levels[2] > levels[4] > levels[6] > levels[8] == 0


def test_the_hole_may_be_concealed_in_pieces() -> None:
    whole, pieces = Concealer(), Concealer()
    for concealer in (whole, pieces):
        concealer.good(tone(180, seconds=0.1))
    assert whole.conceal(320) == pieces.conceal(100) + pieces.conceal(220)


def test_good_audio_ends_the_fade() -> None:
    concealer = Concealer()
    concealer.good(tone(150, seconds=0.1))
    concealer.conceal(1600)
    concealer.good(tone(150, seconds=0.1))
    assert np.abs(np.frombuffer(concealer.conceal(80), "<i2")).max() > 7000


def test_silence_stays_silent() -> None:
    concealer = Concealer()
    concealer.good(bytes(2 * CONTEXT))
    assert concealer.conceal(160) == bytes(320)


def test_nothing_known_is_silence() -> None:
    assert Concealer().conceal(160) == bytes(320)


def test_a_hole_meets_the_audio_after_it() -> None:
    whole = tone(110, seconds=0.1) + tone(140, seconds=0.1)
    concealer = Concealer()
    concealer.good(whole[:1400])
    invented = concealer.conceal(200, whole[1800:])
    patched = np.frombuffer(whole[:1400] + invented + whole[1800:], "<i2").astype(int)
    assert (
        np.abs(np.diff(patched)).max() <= 1.2 * np.abs(np.diff(np.frombuffer(whole, "<i2").astype(int))).max()
    )


def test_a_long_hole_is_silent_in_its_middle_only() -> None:
    audio = tone(150, seconds=0.1)
    concealer = Concealer()
    concealer.good(audio)
    frames = np.abs(np.frombuffer(concealer.conceal(4000, audio), "<i2")).reshape(-1, 160).max(axis=1)
    assert frames[0] > 7000
    assert frames[-1] > 7000
    assert frames[12] == 0


def test_too_little_after_the_hole_is_not_used() -> None:
    audio = tone(150, seconds=0.1)
    with_following, without = Concealer(), Concealer()
    for concealer in (with_following, without):
        concealer.good(audio)
    assert with_following.conceal(160, audio[:160]) == without.conceal(160)
