"""G.711 (ITU-T G.711, 11/88): the two laws, to and from 16-bit linear PCM, and to each other.

The codec words are those of the ITU-T G.191 reference (`ulaw_compress`, `alaw_compress`): 16-bit input is
quantised by its upper 14 (mu-law) or 13 bits (A-law), negative numbers in one's complement.

mu-law has two zeros: 0xFF (+0) and 0x7F (-0). Both decode to 0, and 0 encodes to 0xFF, so 0x7F is the only
word that does not survive decoding and encoding. The encoder emits 0x7F for -1..-4. A-law has no zero: its
smallest levels are +8 (0xD5) and -8 (0x55), and every word survives.
"""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import numpy.typing as npt

ULAW_SILENCE = 0xFF
ALAW_SILENCE = 0xD5

MANY = 512
"""From so many words on, numpy decodes them faster than bytes.translate does."""

Int32 = npt.NDArray[np.int32]


class Law(StrEnum):
    """A G.711 companding law, by its SDP encoding name (RFC 3551, 4.5.14)."""

    ULAW = "PCMU"
    ALAW = "PCMA"


def ulaw_to_pcm(words: bytes) -> bytes:
    """mu-law bytes to little-endian s16 PCM, two bytes for each."""
    return _decode(words, *_ULAW_LANES) if len(words) < MANY else _ULAW_PCM.take(_numbers(words)).tobytes()


def alaw_to_pcm(words: bytes) -> bytes:
    """A-law bytes to little-endian s16 PCM, two bytes for each."""
    return _decode(words, *_ALAW_LANES) if len(words) < MANY else _ALAW_PCM.take(_numbers(words)).tobytes()


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """Little-endian s16 PCM to mu-law bytes, one for each sample. Raises ValueError on half a sample."""
    return _ULAW_WORDS.take(np.frombuffer(pcm, "<u2")).tobytes()


def pcm_to_alaw(pcm: bytes) -> bytes:
    """Little-endian s16 PCM to A-law bytes, one for each sample. Raises ValueError on half a sample."""
    return _ALAW_WORDS.take(np.frombuffer(pcm, "<u2")).tobytes()


def ulaw_to_alaw(words: bytes) -> bytes:
    """mu-law bytes to A-law bytes of the nearest level."""
    return words.translate(_ULAW_TO_ALAW)


def alaw_to_ulaw(words: bytes) -> bytes:
    """A-law bytes to mu-law bytes of the nearest level."""
    return words.translate(_ALAW_TO_ULAW)


def _numbers(words: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(words, np.uint8)


def _decode(words: bytes, low: bytes, high: bytes) -> bytes:
    pcm = bytearray(2 * len(words))
    pcm[0::2] = words.translate(low)
    pcm[1::2] = words.translate(high)
    return bytes(pcm)


def _ulaw_levels() -> Int32:
    word = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((word & 0x0F) << 3) + 0x84) << (word >> 4 & 7)) - 0x84
    return np.where(word & 0x80, -magnitude, magnitude)


def _alaw_levels() -> Int32:
    word = np.arange(256, dtype=np.int32) ^ 0x55
    segment = word >> 4 & 7
    base = ((word & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, base, (base + 0x100) << np.maximum(segment - 1, 0))
    return np.where(word & 0x80, magnitude, -magnitude)


def _samples() -> Int32:
    """Every 16-bit sample, in the order of its unsigned value: the index of an encoding table."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _ulaw_words() -> npt.NDArray[np.uint8]:
    samples = _samples()
    biased = np.minimum((np.where(samples < 0, ~samples, samples) >> 2) + 33, 0x1FFF)
    segment = np.searchsorted(2 ** np.arange(6, 13), biased, side="right") + 1
    words = (8 - segment) << 4 | 0x0F - (biased >> segment & 0x0F)
    return np.asarray(np.where(samples < 0, words, words | 0x80), np.uint8)


def _alaw_words() -> npt.NDArray[np.uint8]:
    samples = _samples()
    magnitude = np.where(samples < 0, ~samples, samples) >> 4
    segment = np.searchsorted(2 ** np.arange(5, 11), magnitude, side="right")
    words = np.where(magnitude < 16, magnitude, (segment + 1 << 4) + (magnitude >> segment) - 16)
    return np.asarray(np.where(samples < 0, words, words | 0x80) ^ 0x55, np.uint8)


def _lanes(levels: Int32) -> tuple[bytes, bytes]:
    """Translation tables for the low and the high byte of each level (bytes.translate beats numpy here)."""
    return (levels & 0xFF).astype(np.uint8).tobytes(), (levels >> 8 & 0xFF).astype(np.uint8).tobytes()


_ULAW_LANES = _lanes(_ulaw_levels())
_ALAW_LANES = _lanes(_alaw_levels())
_ULAW_WORDS = _ulaw_words()
_ALAW_WORDS = _alaw_words()
_ULAW_PCM = _ulaw_levels().astype("<i2")
_ALAW_PCM = _alaw_levels().astype("<i2")
_EVERY_WORD = bytes(range(256))
_ULAW_TO_ALAW = pcm_to_alaw(ulaw_to_pcm(_EVERY_WORD))
_ALAW_TO_ULAW = pcm_to_ulaw(alaw_to_pcm(_EVERY_WORD))

SILENCE: dict[Law, bytes] = {Law.ULAW: bytes([ULAW_SILENCE]), Law.ALAW: bytes([ALAW_SILENCE])}
"""One sample of silence in each law."""
DECODE: dict[Law, Callable[[bytes], bytes]] = {Law.ULAW: ulaw_to_pcm, Law.ALAW: alaw_to_pcm}
ENCODE: dict[Law, Callable[[bytes], bytes]] = {Law.ULAW: pcm_to_ulaw, Law.ALAW: pcm_to_alaw}
FROM_OTHER_LAW: dict[Law, Callable[[bytes], bytes]] = {Law.ULAW: alaw_to_ulaw, Law.ALAW: ulaw_to_alaw}
"""How words of the other law become words of this one."""
