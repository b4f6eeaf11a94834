"""Two sides become stereo frames: every pair of words, and every pair of formats."""

from __future__ import annotations

import numpy as np
import pytest

from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.media.nodes import decoder
from sipagent.media.pipeline import PCM_8K
from sipagent.media.stereo import interleave, weaver

EVERY_WORD = bytes(range(256))


def test_interleaved_frames_have_the_left_sample_first() -> None:
    assert interleave(b"aabb", b"ccdd") == b"aaccbbdd"


@pytest.mark.parametrize("right", [ULAW, ALAW], ids=str)
@pytest.mark.parametrize("left", [ULAW, ALAW], ids=str)
def test_every_pair_of_law_words_is_decoded(left: AudioFormat, right: AudioFormat) -> None:
    lefts, rights = EVERY_WORD * 256, np.repeat(np.arange(256, dtype=np.uint8), 256).tobytes()
    assert weaver(left, right)(lefts, rights) == interleave(decoder(left)(lefts), decoder(right)(rights))


@pytest.mark.parametrize("law", [ULAW, ALAW], ids=str)
def test_a_law_may_stand_beside_pcm(law: AudioFormat) -> None:
    pcm = np.arange(-128, 128, dtype="<i2").tobytes()
    decoded = decoder(law)(EVERY_WORD)
    assert weaver(law, PCM_8K)(EVERY_WORD, pcm) == interleave(decoded, pcm)
    assert weaver(PCM_8K, law)(pcm, EVERY_WORD) == interleave(pcm, decoded)


def test_nothing_becomes_nothing() -> None:
    assert weaver(ULAW, ALAW)(b"", b"") == b""
