"""Words and pauses in the levels of frames."""

from rtp.utterances import NONE, Utterances, utterances

SPEECH, QUIET = [-20.0, -24.0, -18.0, -30.0, -22.0], -60.0


def judged(levels: list[float]) -> Utterances:
    return utterances(levels, least_db=-48, min_word=5, between_words=3)


def word(frames: int = 20) -> list[float]:
    return (SPEECH * frames)[:frames]


def test_words_are_parted_by_pauses() -> None:
    found = judged([QUIET] * 30 + word() + [QUIET] * 5 + word(15) + [QUIET] * 40)
    assert (found.words, found.first, found.last) == (2, 30, 70)


def test_a_short_pause_is_part_of_the_word() -> None:
    assert judged([QUIET] * 30 + word() + [QUIET] * 2 + word()).words == 1


def test_a_click_is_no_word() -> None:
    assert judged([QUIET] * 30 + [-10.0] * 2 + [QUIET] * 30).words == 0


def test_a_quiet_voice_on_a_quiet_line_counts() -> None:
    assert judged([-75.0] * 30 + [level - 22 for level in word()] + [-75.0] * 30).words >= 1


def test_noise_alone_is_no_speech_however_loud() -> None:
    assert judged([-20.0, -21.0, -19.5] * 40) == NONE


def test_speech_is_found_above_noise() -> None:
    found = judged([-36.0, -37.0] * 20 + [max(-36.0, level) for level in word(25)] + [-36.0, -37.0] * 20)
    assert (found.first, found.last) == (40, 65)


def test_nothing_was_heard_yet() -> None:
    assert judged([-100.0] * 10) == NONE
