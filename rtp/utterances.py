"""When somebody spoke, by the levels of the frames since then: seen afterwards, so that noise and loudness of
the line are known as well as they can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtp.single_tone import LEAST_DB

NOISE_SHARE, LOUD_SHARE = 0.1, 0.95
"""Shares of the time that are quieter than what counts as noise of the line, and as loud speech."""
ABOVE_NOISE_DB, MOST_BELOW_LOUD_DB = 8.0, 24.0
"""Speech is this much above the one, and at most this much below the other."""
LEAST_SWING_DB = 9.0
"""What swings less between its quiet and its loud frames is no speech."""
OF_SWING = 0.5
"""Where the swing is small, speech is above this share of it."""


@dataclass(frozen=True, slots=True)
class Utterances:
    """Words, as pauses part them, so far: how many; in frames, where the first began and the last ended, -1
    without any. Speech is above `threshold_db`.
    """

    words: int = 0
    first: int = -1
    last: int = -1
    threshold_db: float = 0.0

    @property
    def span(self) -> int:
        """From the first word to the end of the last."""
        return self.last - self.first


NONE = Utterances()
_QUIET = np.zeros(1, np.bool_)


def utterances(
    levels_db: Sequence[float], *, least_db: float, min_word: int, between_words: int
) -> Utterances:
    """Judge levels, one a frame. What is below `least_db` is never speech.

    A word lasts for at least `min_word` frames, and so many of `between_words` without speech part it from
    the next.
    """
    levels = np.asarray(levels_db)
    heard = np.sort(levels[levels > LEAST_DB])
    if not len(heard):
        return NONE
    noise, loud = float(heard[int(NOISE_SHARE * len(heard))]), float(heard[int(LOUD_SHARE * len(heard))])
    if loud - noise < LEAST_SWING_DB:
        return NONE
    above = min(ABOVE_NOISE_DB, OF_SWING * (loud - noise))
    threshold_db = max(least_db, noise + above, loud - MOST_BELOW_LOUD_DB)
    words, first, last = _parted(levels >= threshold_db, min_word, between_words)
    return Utterances(words, first, last, threshold_db)


def _parted(speech: npt.NDArray[np.bool_], min_word: int, between_words: int) -> tuple[int, int, int]:
    """How many words, where the first begins and the last ends."""
    edges = np.flatnonzero(np.diff(np.concatenate((_QUIET, speech, _QUIET))))
    begins, ends = edges[::2], edges[1::2]
    if not len(begins):
        return 0, -1, -1
    parts = np.flatnonzero(begins[1:] - ends[:-1] >= between_words)
    firsts = begins[np.concatenate(([0], parts + 1))]
    lasts = ends[np.concatenate((parts, [len(ends) - 1]))]
    words = lasts - firsts >= min_word
    if not words.any():
        return 0, -1, -1
    return int(words.sum()), int(firsts[words][0]), int(lasts[words][-1])
