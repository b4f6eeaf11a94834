"""Concealment of lost audio by repeating the last pitch period (after ITU-T G.711, appendix I).

All PCM here is little-endian s16 at 8 kHz.
"""

import numpy as np
import numpy.typing as npt

MIN_PITCH = 40
MAX_PITCH = 120
"""The pitch is sought between 200 and 66 Hz (G.711 I.2.3)."""
_CORRELATED = 160
HISTORY = MAX_PITCH + _CORRELATED
"""Samples of good audio that concealment looks back on: 35 ms."""
FADE_FROM_MS = 10
FADE_MS = 50
"""Full level for 10 ms, then a linear fade to silence in 50 ms (G.711 I.2.7)."""
_RATE_PER_MS = 8

Samples = npt.NDArray[np.float32]


class Concealer:
    """Invents audio for a hole from the audio before it."""

    def __init__(self) -> None:
        self._history = np.zeros(HISTORY, np.float32)
        self._cycle: Samples | None = None
        self._concealed = 0

    def good(self, pcm: bytes) -> None:
        """Audio that did arrive; it ends the hole."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        self._history = np.concatenate((self._history, samples))[-HISTORY:]
        self._cycle = None
        self._concealed = 0

    def conceal(self, n_samples: int) -> bytes:
        """The next `n_samples` of the hole; after 60 ms of it only silence is left."""
        if self._cycle is None:
            self._cycle = _pitch_cycle(self._history)
        position = np.arange(self._concealed, self._concealed + n_samples)
        fade = 1.0 - (position / _RATE_PER_MS - FADE_FROM_MS) / FADE_MS
        invented = self._cycle[position % len(self._cycle)] * np.clip(fade, 0.0, 1.0)
        self._concealed += n_samples
        return invented.astype("<i2").tobytes()


def _pitch_cycle(history: Samples) -> Samples:
    """The last pitch period, its end blended into what preceded its beginning: it repeats smoothly."""
    pitch = _pitch(history)
    cycle = history[-pitch:].copy()
    blend = pitch // 4
    rising = np.arange(1, blend + 1, dtype=np.float32) / (blend + 1)
    cycle[-blend:] = cycle[-blend:] * (1 - rising) + history[-pitch - blend : -pitch] * rising
    return cycle


def _pitch(history: Samples) -> int:
    """The lag with the highest normalised correlation of the last 20 ms."""
    recent = history[-_CORRELATED:]
    lags = np.arange(MIN_PITCH, MAX_PITCH + 1)
    windows = np.lib.stride_tricks.sliding_window_view(history, _CORRELATED)[-1 - lags]
    energy = np.einsum("ij,ij->i", windows, windows)
    return int(lags[np.argmax((windows @ recent) / np.sqrt(energy + 1.0))])
