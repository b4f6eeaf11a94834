"""Against a second reading of the standard: decision values from G.711's tables, sample by sample."""

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
import pytest

from rtp import g711
from rtp.g711 import Law

EVERY_WORD = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2")


def ulaw_decisions() -> list[int]:
    """Lower edges of the 128 mu-law intervals, in 14-bit units (G.711, table 2a: 0, 1, 3 ... 31, 35 ...)."""
    edges = [0] + [1 + 2 * step for step in range(15)]
    for segment in range(1, 8):
        first = edges[-1] + 2**segment
        edges += [first + step * 2 ** (segment + 1) for step in range(16)]
    return edges


def alaw_decisions() -> list[int]:
    """Lower edges of the 128 A-law intervals, in 12-bit units (G.711, table 1a: 0, 1, ... 32, 34, ...)."""
    edges = list(range(32))
    for segment in range(1, 7):
        edges += [2 ** (segment + 4) + step * 2**segment for step in range(16)]
    return edges


def reference_ulaw(sample: int, edges: list[int]) -> int:
    magnitude = (sample if sample >= 0 else ~sample) >> 2
    interval = bisect_right(edges, magnitude) - 1
    return (0x7F - interval) | (0x80 if sample >= 0 else 0)


def reference_alaw(sample: int, edges: list[int]) -> int:
    magnitude = (sample if sample >= 0 else ~sample) >> 4
    interval = bisect_right(edges, magnitude) - 1
    return (interval | (0x80 if sample >= 0 else 0)) ^ 0x55


@pytest.mark.parametrize(
    ("encode", "reference", "edges"),
    [
        (g711.pcm_to_ulaw, reference_ulaw, ulaw_decisions()),
        (g711.pcm_to_alaw, reference_alaw, alaw_decisions()),
    ],
)
def test_encoding_is_bit_exact_for_every_sample(
    encode: Callable[[bytes], bytes], reference: Callable[[int, list[int]], int], edges: list[int]
) -> None:
    assert len(edges) == 128
    expected = bytes(reference(int(sample), edges) for sample in EVERY_SAMPLE)
    assert encode(EVERY_SAMPLE.tobytes()) == expected


def test_ulaw_survives_but_for_its_negative_zero() -> None:
    survived = g711.pcm_to_ulaw(g711.ulaw_to_pcm(EVERY_WORD))
    assert survived == EVERY_WORD.replace(b"\x7f", b"\xff")


def test_alaw_survives_whole() -> None:
    assert g711.pcm_to_alaw(g711.alaw_to_pcm(EVERY_WORD)) == EVERY_WORD


@pytest.mark.parametrize(
    ("law", "word", "level"),
    [
        (Law.ULAW, 0xFF, 0),
        (Law.ULAW, 0x7F, 0),
        (Law.ULAW, 0x80, 32124),
        (Law.ULAW, 0x00, -32124),
        (Law.ULAW, 0xFE, 8),
        (Law.ALAW, 0xD5, 8),
        (Law.ALAW, 0x55, -8),
        (Law.ALAW, 0xAA, 32256),
        (Law.ALAW, 0x2A, -32256),
    ],
)
def test_levels_of_the_standard(law: Law, word: int, level: int) -> None:
    assert np.frombuffer(g711.DECODE[law](bytes([word])), "<i2")[0] == level


def test_decoding_lands_within_the_interval() -> None:
    for encode, decode, widest in (
        (g711.pcm_to_ulaw, g711.ulaw_to_pcm, 1024),
        (g711.pcm_to_alaw, g711.alaw_to_pcm, 1024),
    ):
        error = np.frombuffer(decode(encode(EVERY_SAMPLE.tobytes())), "<i2").astype(int) - EVERY_SAMPLE
        assert np.abs(error[1000:-1000]).max() <= widest


def test_silence_is_silence() -> None:
    assert g711.pcm_to_ulaw(bytes(4)) == g711.SILENCE[Law.ULAW] * 2 == b"\xff\xff"
    assert g711.pcm_to_alaw(bytes(4)) == g711.SILENCE[Law.ALAW] * 2 == b"\xd5\xd5"


def test_transcoding_is_decoding_and_encoding() -> None:
    assert g711.ulaw_to_alaw(EVERY_WORD) == g711.pcm_to_alaw(g711.ulaw_to_pcm(EVERY_WORD))
    assert g711.alaw_to_ulaw(EVERY_WORD) == g711.pcm_to_ulaw(g711.alaw_to_pcm(EVERY_WORD))


def test_half_a_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="buffer size"):
        g711.pcm_to_ulaw(b"\0")
