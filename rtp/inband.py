"""In-band DTMF: digits in the audio itself, for trunks without telephone events (ITU-T Q.23, Q.24).

Goertzel's question, how much of a stretch is this tone, is asked for all tones at once as one matrix product,
and again at three pitches for the strongest two, as a tone may be off by 1.5 % (Q.24). Speech is told from
digits by purity: of a digit, next to nothing is left besides its two tones.
"""

import numpy as np
import numpy.typing as npt

from rtp.events import DigitReceived

RATE = 8000
ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = "123A456B789C*0#D"
WINDOW, HOP = 160, 80
"""20 ms every 10 ms: of 40 ms of tone (Q.24) two windows see nothing else, whenever it began."""
HOP_MS = 1000 * HOP // RATE
TO_BEGIN, TO_END = 2, 3
"""Windows in a row that begin a digit, and that end it: an interruption of 10 ms does not (Q.24)."""
DETUNED = (0.988, 1.0, 1.012)
OVERLOAD_DBM0 = 3.14
"""A sine of full scale (G.711, table 1)."""
MIN_LEVEL_DBM0 = -30.0
"""Of each tone; digits come at -25 dBm0 and above (Q.24)."""
MIN_STRENGTH = WINDOW / 2 * 32768**2 * 10 ** ((MIN_LEVEL_DBM0 - OVERLOAD_DBM0) / 10)
"""The same as the energy of a window."""
MIN_TWIST, MAX_TWIST = 10 ** (-9 / 10), 10 ** (5 / 10)
"""Energy of the high tone over the low one: -8 to +4 dB (Q.24, AT&T), and a margin."""
PLAUSIBLE, MIN_PURITY = 0.45, 0.85
"""Share of the two tones in a window's energy: to look closer at all, and to be a digit."""

Floats = npt.NDArray[np.float32]


class InbandDigits:
    """Finds the digits in one stream of 8 kHz PCM. A press is told once, when it is over."""

    def __init__(self) -> None:
        self._pending: Floats = np.zeros(0, np.float32)
        self._candidate = self._digit = ""
        self._hits = self._misses = 0

    def feed(self, pcm: bytes) -> list[DigitReceived]:
        """The presses that ended in this stretch of little-endian s16 samples, of any length."""
        samples = np.concatenate((self._pending, np.frombuffer(pcm, "<i2")), dtype=np.float32)
        count = (len(samples) - WINDOW) // HOP + 1
        if count <= 0:
            self._pending = samples
            return []
        self._pending = samples[count * HOP :]
        strides = (HOP * samples.itemsize, samples.itemsize)
        windows: Floats = np.ndarray((count, WINDOW), np.float32, samples, 0, strides)
        over = (self._step(key) for key in _keys(windows))
        return [press for press in over if press is not None]

    @property
    def hears_digit(self) -> bool:
        """Whether a key is down."""
        return bool(self._digit)

    def _step(self, key: str) -> DigitReceived | None:
        """Take what one window holds: a key, or an empty string."""
        if key and key == self._digit:
            self._hits += 1 + self._misses
            self._misses = 0
            return None
        if not key or key != self._candidate:
            self._candidate = key
            self._misses += 1
            return self._finish() if self._misses >= TO_END else None
        finished = self._finish()
        self._digit, self._hits, self._misses = key, TO_BEGIN, 0
        return finished

    def _finish(self) -> DigitReceived | None:
        digit, self._digit = self._digit, ""
        return DigitReceived(digit, (self._hits + 1) * HOP_MS) if digit else None


def _keys(windows: Floats) -> list[str]:
    """The key that each window holds, or an empty string."""
    energies = [float(window.dot(window)) for window in windows]
    if max(energies) < 2 * MIN_STRENGTH:
        return [""] * len(energies)
    return [_key(*each) for each in zip(windows, windows @ _TONES, energies, strict=True)]


def _key(window: Floats, parts: Floats, energy: float) -> str:
    if energy < 2 * MIN_STRENGTH or parts.dot(parts) < PLAUSIBLE * energy:
        return ""
    strengths = (parts[:8] ** 2 + parts[8:] ** 2).tolist()
    low, high = max(strengths[:4]), max(strengths[4:])
    if low + high < PLAUSIBLE * energy:
        return ""
    row, column = strengths.index(low, 0, 4), strengths.index(high, 4, 8)
    low, high = _strength(window, row), _strength(window, column)
    pure = low + high >= MIN_PURITY * energy
    if pure and min(low, high) >= MIN_STRENGTH and MIN_TWIST <= high / low <= MAX_TWIST:
        return KEYPAD[4 * row + column - 4]
    return ""


def _strength(window: Floats, tone: int) -> float:
    """The energy of one tone at the pitch that fits best."""
    parts = (window @ _DETUNED[tone]).tolist()
    return float(max(c * c + s * s for c, s in zip(parts[:3], parts[3:], strict=True)))


def _probe(tones_hz: list[float]) -> Floats:
    """Columns that tell a window's cosine and sine parts of each tone; their squares add up to its energy."""
    angles = 2 * np.pi * np.outer(np.arange(WINDOW), tones_hz) / RATE
    return np.asarray(np.hstack((np.cos(angles), np.sin(angles))) * np.sqrt(2 / WINDOW), np.float32)


_TONES = _probe([*ROWS_HZ, *COLUMNS_HZ])
_DETUNED = [_probe([hz * factor for factor in DETUNED]) for hz in (*ROWS_HZ, *COLUMNS_HZ)]
