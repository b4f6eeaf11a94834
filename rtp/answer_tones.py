"""Tones that tell who has answered: a machine's beep, a fax (ITU-T T.30, 4.1), the three special information
tones before an announcement (ITU-T E.180, 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rtp.single_tone import FRAME_MS, Tone

BEEP_HZ = (400.0, 2050.0)
BEEP_MS = (100, 3000)
AFTER_BEEP_MS = 40
PROGRESS_HZ = (400.0, 490.0)
"""Tones of call progress are here (ITU-T E.180); they come again and again."""
REPEAT_MS, LONE_MS = 700, 500
"""How long a beep of such a frequency, or a tone before any word, must stay alone."""
FAX_HZ, FAX_MS = 2100.0, 500
CALLING_FAX_HZ, CALLING_FAX_MS = 1100.0, (400, 640)
CALLING_FAX_TOLERANCE = 0.035
SPECIAL_HZ = ((914.0, 985.0), (1371.0, 1429.0), (1777.0,))
SPECIAL_MS = (200, 480)
SPECIAL_TOLERANCE = 0.03
SPECIAL_GAP = 5
"""Frames from one of them to the next."""


def is_fax(tone: Tone) -> bool:
    """A fax that answers, even if its tone still stands."""
    return tone.is_at(FAX_HZ) and tone.duration_ms >= FAX_MS


def is_calling_fax(tone: Tone, quiet_ms: int) -> bool:
    """A fax that calls by itself, `quiet_ms` after its tone."""
    shortest, longest = CALLING_FAX_MS
    fits = tone.is_at(CALLING_FAX_HZ, CALLING_FAX_TOLERANCE) and shortest <= tone.duration_ms <= longest
    return fits and quiet_ms >= LONE_MS


def are_special(tones: Sequence[Tone]) -> bool:
    """Three tones, each at one of its frequencies and right after the one before."""
    if len(tones) != len(SPECIAL_HZ):
        return False
    right = all(_is_special(tone, known) for tone, known in zip(tones, SPECIAL_HZ, strict=True))
    return right and all(after.start - tone.end <= SPECIAL_GAP for tone, after in pairwise(tones))


def is_beep(tone: Tone, before: Sequence[Tone], quiet_ms: int, *, after_words: bool) -> bool:
    """A machine's beep, `quiet_ms` after its end. `before` are the tones that came before it."""
    shortest, longest = BEEP_MS
    if not (shortest <= tone.duration_ms <= longest and BEEP_HZ[0] <= tone.hz <= BEEP_HZ[1]):
        return False
    if PROGRESS_HZ[0] <= tone.hz <= PROGRESS_HZ[1]:
        repeats = any(each.is_at(tone.hz) for each in before)
        return after_words and not repeats and quiet_ms >= REPEAT_MS
    return quiet_ms >= (AFTER_BEEP_MS if after_words else LONE_MS)


def lasts(tone: Tone) -> bool:
    """It stands for long enough to be anything of this."""
    return tone.end - tone.start >= BEEP_MS[0] // FRAME_MS


def _is_special(tone: Tone, known_hz: tuple[float, ...]) -> bool:
    shortest, longest = SPECIAL_MS
    at = any(tone.is_at(hz, SPECIAL_TOLERANCE) for hz in known_hz)
    return at and shortest <= tone.duration_ms <= longest
