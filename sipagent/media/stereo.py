"""Two mono sides to the frames of a stereo file: 16-bit little-endian PCM, left sample first.

Two law bytes, one of each side, are together the index of their frame: so a chunk is decoded and interleaved
by one look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from sipagent.formats import AudioFormat
from sipagent.media.nodes import decoder

Weave = Callable[[bytes, bytes], bytes]
"""Equally many samples of the left and of the right side to stereo frames."""

_EVERY_WORD = bytes(range(256))


def weaver(left: AudioFormat, right: AudioFormat) -> Weave:
    """How sides of these formats, law bytes or PCM, become stereo frames."""
    if "pcm" not in (left.encoding, right.encoding):
        return _law_weaver(left, right)
    left_pcm, right_pcm = _to_pcm(left), _to_pcm(right)
    return lambda left, right: interleave(left_pcm(left), right_pcm(right))


def interleave(left: bytes, right: bytes) -> bytes:
    """Two mono s16le strings of equal length to one stereo string."""
    stereo = np.empty((len(left) // 2, 2), np.int16)
    stereo[:, 0] = np.frombuffer(left, np.int16)
    stereo[:, 1] = np.frombuffer(right, np.int16)
    return stereo.tobytes()


@cache
def _law_weaver(left: AudioFormat, right: AudioFormat) -> Weave:
    frames = _frames(left, right)

    def weave(left: bytes, right: bytes) -> bytes:
        pairs = bytearray(2 * len(left))
        pairs[0::2], pairs[1::2] = left, right
        return frames.take(np.frombuffer(pairs, "<u2")).tobytes()

    return weave


def _frames(left: AudioFormat, right: AudioFormat) -> npt.NDArray[np.uint32]:
    """The stereo frame of each pair of words, the left one in the index's low byte."""
    left_pcm, right_pcm = (np.frombuffer(decoder(law)(_EVERY_WORD), "<u2") for law in (left, right))
    return np.asarray(left_pcm[np.newaxis, :] | right_pcm.astype("<u4")[:, np.newaxis] << 16, "<u4").ravel()


def _to_pcm(audio: AudioFormat) -> Callable[[bytes], bytes]:
    return decoder(audio) if audio.encoding != "pcm" else bytes
