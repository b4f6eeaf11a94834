"""Concealment of lost audio: the pitch before the hole goes on, and turns into the pitch after it.

The repetition of the last pitch period is that of ITU-T G.711, appendix I. What is new is the other end: a
jitter buffer gives a gap up because packets behind it have come, so their audio is known too. It is extended
backwards in the same way, and the two are cross-faded over the hole. So the hole ends where the good audio
begins, and no good frame has to be touched. docs/audio-quality.md has what that is worth.

All PCM here is little-endian s16 at 8 kHz.
"""

import numpy as np
import numpy.typing as npt

MIN_PITCH = 40
MAX_PITCH = 120
"""The pitch is sought between 200 and 66 Hz (G.711 I.2.3)."""
CORRELATED = 64
"""Samples that are compared: pitch moves, and 8 ms beside the hole predict it better than 20 do."""
CONTEXT = MAX_PITCH + CORRELATED
"""Samples of good audio that are looked at on either side: 23 ms."""
FADE_FROM_MS = 60
FADE_MS = 100
"""Full level for 60 ms from good audio, then a linear fade to silence in 100 ms."""
_RATE_PER_MS = 8

Samples = npt.NDArray[np.float32]


class Concealer:
    """Invents audio for a hole from the audio around it."""

    def __init__(self) -> None:
        self._history = np.zeros(CONTEXT, np.float32)
        self._cycle: Samples | None = None
        self._concealed = 0

    def good(self, pcm: bytes) -> None:
        """Audio that did arrive; it ends the hole."""
        self._history = np.concatenate((self._history, _samples(pcm)))[-CONTEXT:]
        self._cycle = None
        self._concealed = 0

    def conceal(self, n_samples: int, following: bytes = b"") -> bytes:
        """The next `n_samples` of the hole, up to its end if `following` has the audio that comes after it.

        More than 160 ms away from all good audio only silence is left.
        """
        if self._cycle is None:
            self._cycle = _pitch_cycle(self._history)
        invented = _repeated(self._cycle, self._concealed, n_samples)
        self._concealed += n_samples
        after = _samples(following[: 2 * CONTEXT])
        if len(after) >= MIN_PITCH + CORRELATED:
            backwards = _repeated(_pitch_cycle(after[::-1]), 0, n_samples)[::-1]
            rising = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, n_samples + 1) / (n_samples + 1))
            invented += (backwards - invented) * rising.astype(np.float32)
        return invented.astype("<i2").tobytes()


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float32)


def _repeated(cycle: Samples, start: int, n_samples: int) -> Samples:
    """A stretch of the endless repetition, that fades with its distance from the good audio."""
    position = np.arange(start, start + n_samples)
    fade = 1.0 - (position / _RATE_PER_MS - FADE_FROM_MS) / FADE_MS
    return np.asarray(cycle[position % len(cycle)] * np.clip(fade, 0.0, 1.0), np.float32)


def _pitch_cycle(history: Samples) -> Samples:
    """The last pitch period, its end blended into what preceded its beginning: it repeats smoothly."""
    pitch = _pitch(history)
    cycle = history[-pitch:].copy()
    blend = min(pitch // 4, len(history) - pitch)
    rising = np.arange(1, blend + 1, dtype=np.float32) / (blend + 1)
    cycle[-blend:] = cycle[-blend:] * (1 - rising) + history[-pitch - blend : -pitch] * rising
    return cycle


def _pitch(history: Samples) -> int:
    """The lag at which the last 8 ms are most like what was there before."""
    recent = history[-CORRELATED:]
    lags = np.arange(MIN_PITCH, min(MAX_PITCH, len(history) - CORRELATED) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(history, CORRELATED)[len(history) - CORRELATED - lags]
    energy = np.einsum("ij,ij->i", windows, windows)
    return int(lags[np.argmax((windows @ recent) / np.sqrt(energy + 1.0))])
