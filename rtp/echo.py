"""Does the caller's side say what we have just sent: the agent's own voice, coming back as an echo.

Telephones and speakers return it later, quieter and distorted, but sample by sample it is the same wave:
its normalised cross-correlation with what was sent has a peak that another voice's doesn't have. s16le at
8000 Hz.
"""

import numpy as np
import numpy.typing as npt

RATE = 8000
WINDOW = 2048
"""Samples of the caller that are compared: the latest quarter of a second."""
MAX_DELAY_MS = 800
"""How late an echo may be: playout and jitter buffers at the far end, mobile networks."""
LIKENESS = 0.6
"""An echo has 0.8 and more, another voice rarely 0.4, an echo beside another voice 0.3."""
LEAST_RMS = 40.0
BLOCK = 80
LEAST = 4 * BLOCK
"""Samples that can be compared at all."""

Floats = npt.NDArray[np.float64]
_SENT = WINDOW + RATE * MAX_DELAY_MS // 1000
_SIZE = 1 << (_SENT + WINDOW - 1).bit_length()


class EchoGuard:
    """Remembers what was sent and heard of late. Both flow by the same clock, to within a few frames."""

    def __init__(self) -> None:
        self._sent = b""
        self._heard = b""

    def sent(self, pcm: bytes) -> None:
        """This went out."""
        self._sent = (self._sent + pcm)[-2 * _SENT :]

    def heard(self, pcm: bytes) -> None:
        """This came in."""
        self._heard = (self._heard + pcm)[-2 * WINDOW :]

    def hears_echo(self) -> bool:
        """Is what was heard last, most of it, an echo? Silence isn't. Takes some 0.3 ms."""
        heard, sent = _spoken(_emphasised(self._heard)), _emphasised(self._sent)
        if len(heard) < LEAST or len(sent) < len(heard):
            return False
        power = float(heard @ heard)
        spectrum = np.fft.rfft(sent, _SIZE) * np.conj(np.fft.rfft(heard, _SIZE))
        products = np.fft.irfft(spectrum, _SIZE)[: len(sent) - len(heard) + 1]
        energy = np.concatenate(((0.0,), np.cumsum(sent * sent)))
        powers = energy[len(heard) :] - energy[: len(energy) - len(heard)]
        return bool(np.max(np.abs(products) / np.sqrt(powers * power + 1.0)) >= LIKENESS)


def _spoken(wave: Floats) -> Floats:
    """Without the silence before and after, which would count as unlike."""
    blocks = wave[: len(wave) // BLOCK * BLOCK].reshape(-1, BLOCK)
    loud = np.flatnonzero(np.mean(blocks * blocks, axis=1) >= LEAST_RMS**2)
    return wave[loud[0] * BLOCK : (loud[-1] + 1) * BLOCK] if len(loud) else wave[:0]


def _emphasised(pcm: bytes) -> Floats:
    """Without the slow waves that all voices have in common."""
    return np.diff(np.frombuffer(pcm, "<i2").astype(np.float64))
