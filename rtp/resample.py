"""Streaming sample rate conversion of little-endian s16 mono PCM.

The live rates (8, 16, 24, 48 kHz) go through a polyphase FIR with a delay of 1.4 ms or less; soxr, whose own
streaming delay is above 10 ms, does the odd ratios.
"""

from functools import lru_cache
from math import gcd
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soxr

TAPS_PER_LOW_SAMPLE = 22
"""Filter length in samples of the lower rate: 66 taps at 24 kHz for 8 <-> 24 kHz, 1.35 ms of delay."""
CUTOFF = 0.925
"""Middle of the transition band, over the lower rate's Nyquist frequency: 3.7 kHz for 8 kHz."""
KAISER_BETA = 4.5
"""About 50 dB of stop band: more than G.711's own 38 dB of signal to noise."""
BLOCK = 16
"""Groups of samples converted at once: divides those of 20 ms at each pair of LIVE_RATES."""
LIVE_RATES = (8000, 16000, 24000, 48000)

Floats = npt.NDArray[np.float32]

_LOWEST, _HIGHEST = np.float32(-32768), np.float32(32767)


class Resampler(Protocol):
    """A stream of PCM at another rate. Equal rates are the caller's error: there is nothing to resample."""

    @property
    def delay_ms(self) -> float:
        """How much later the audio comes out."""
        ...

    def process(self, pcm: bytes) -> bytes:
        """Take a chunk of whole samples, of any length; return what is ready, perhaps nothing."""
        ...


def make_resampler(src_hz: int, dst_hz: int) -> Resampler:
    """The low-delay FIR between LIVE_RATES, soxr for every other pair. Raises ValueError for equal rates."""
    if src_hz == dst_hz:
        raise ValueError(f"no resampler is needed from {src_hz} Hz to itself")
    live = src_hz in LIVE_RATES and dst_hz in LIVE_RATES
    return PolyphaseResampler(src_hz, dst_hz) if live else SoxrResampler(src_hz, dst_hz)


class PolyphaseResampler:
    """Rational conversion by matrix products: `down` samples of input, a group, make `up` of output.

    BLOCK groups at a time go through a larger matrix with the small one BLOCK times along its diagonal: more
    products, most with 0, but done by BLAS, which takes no windows that overlap by nearly all.
    """

    def __init__(self, src_hz: int, dst_hz: int) -> None:
        common = gcd(src_hz, dst_hz)
        self._up, self._down = dst_hz // common, src_hz // common
        self._matrix, self._block = _matrices(self._up, self._down)
        self._delay_ms = 1000 * (_tap_count(self._up, self._down) - 1) / 2 / (src_hz * self._up)
        self._pending: Floats = np.zeros(len(self._matrix) - self._down, np.float32)

    @property
    def delay_ms(self) -> float:
        """Half the filter's length."""
        return self._delay_ms

    def process(self, pcm: bytes) -> bytes:
        """Convert a chunk. Raises ValueError on half a sample."""
        samples = np.concatenate((self._pending, np.frombuffer(pcm, "<i2")), dtype=np.float32)
        width = len(self._matrix)
        groups = (len(samples) - width) // self._down + 1
        if groups <= 0:
            self._pending = samples
            return b""
        self._pending = samples[groups * self._down :].copy()  # a view would keep all of them
        blocks, rest = divmod(groups, BLOCK)
        converted = self._product(samples, 0, blocks, BLOCK * self._down, self._block)
        if rest:
            last = self._product(samples, blocks * BLOCK * self._down, rest, self._down, self._matrix)
            converted = np.concatenate((converted, last))
        np.rint(converted, out=converted)
        np.minimum(converted, _HIGHEST, out=converted)  # np.clip costs more than all the rest
        np.maximum(converted, _LOWEST, out=converted)
        return converted.astype("<i2").tobytes()

    @staticmethod
    def _product(samples: Floats, start: int, count: int, step: int, matrix: Floats) -> Floats:
        """Windows of `samples`, so many from `start` on and each `step` after the one before, by `matrix`."""
        strides = (step * samples.itemsize, samples.itemsize)
        # The bare constructor, because as_strided() costs more than the product does.
        windows: Floats = np.ndarray(
            (count, len(matrix)), np.float32, samples, start * samples.itemsize, strides
        )
        return (np.ascontiguousarray(windows) @ matrix).ravel()


class SoxrResampler:
    """soxr's streaming resampler, for ratios that no live path has."""

    def __init__(self, src_hz: int, dst_hz: int) -> None:
        self._stream = soxr.ResampleStream(src_hz, dst_hz, 1, dtype="int16", quality="MQ")
        self._dst_hz = dst_hz

    @property
    def delay_ms(self) -> float:
        """What soxr holds back at present."""
        return 1000 * float(self._stream.delay()) / self._dst_hz

    def process(self, pcm: bytes) -> bytes:
        """Convert a chunk. Raises ValueError on half a sample."""
        return bytes(self._stream.resample_chunk(np.frombuffer(pcm, np.int16)).astype("<i2").tobytes())


def _tap_count(up: int, down: int) -> int:
    return max(up, down) * TAPS_PER_LOW_SAMPLE


@lru_cache
def _matrices(up: int, down: int) -> tuple[Floats, Floats]:
    """For one group, and for BLOCK of them. All calls share them."""
    taps = _low_pass(_tap_count(up, down), max(up, down))
    matrix = _phases(taps * up, up, down)
    block = np.zeros(((BLOCK - 1) * down + len(matrix), BLOCK * up), np.float32)
    for group in range(BLOCK):
        rows = slice(group * down, group * down + len(matrix))
        block[rows, group * up : (group + 1) * up] = matrix
    return matrix, block


def _low_pass(taps: int, ratio: int) -> npt.NDArray[np.float64]:
    """A windowed-sinc low pass of unit gain, cutting off below 1/ratio of its Nyquist frequency."""
    time = np.arange(taps) - (taps - 1) / 2
    kernel = np.sinc(time * CUTOFF / ratio) * np.kaiser(taps, KAISER_BETA)
    return np.asarray(kernel / kernel.sum())


def _phases(taps: npt.NDArray[np.float64], up: int, down: int) -> Floats:
    """One column of filter weights for each of the `up` outputs of a step, over the inputs that it looks at.

    Output n of a step is the sum over inputs i of x[i] * taps[n * down - i * up], i relative to the step.
    """
    history = -(-len(taps) // up)
    matrix = np.zeros((history + down, up), np.float32)
    for row, column in np.ndindex(matrix.shape):
        tap = column * down - (row - history) * up
        if 0 <= tap < len(taps):
            matrix[row, column] = taps[tap]
    return matrix
