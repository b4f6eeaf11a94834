"""Tones of our own: a telephone's keys (ITU-T Q.23), a sign of life on hold. s16le at 8000 Hz."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sipagent.sounds.tones import RATE, beep, mix, silence

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = "123A456B789C*0#D"
KEY_PEAKS = (5200, 6550)
"""Low and high tone: about -13 and -11 dBm0, the 2 dB between them made for the losses of long lines."""
HOLD_HZ, HOLD_PEAK, HOLD_MS = 425, 2000, 200
HOLD_EVERY_MS = 5000
COMFORT_HZ, COMFORT_PEAKS, COMFORT_MS, COMFORT_EVERY_MS = (392, 523), (500, 350), 240, 1500
RING_HZ, RING_PEAKS, RING_MS, RING_EVERY_MS = (440, 480), (3000, 3000), 1000, 4000


def key(digit: str, duration_ms: int) -> bytes:
    """The two tones of a key: 0-9, *, #, A-D."""
    row, column = divmod(KEYPAD.index(digit.upper()), len(COLUMNS_HZ))
    return mix((ROWS_HZ[row], COLUMNS_HZ[column]), KEY_PEAKS, duration_ms)


def hold() -> bytes:
    """One period of the hold tone: a low beep, then silence."""
    return mix((HOLD_HZ,), (HOLD_PEAK,), HOLD_MS) + b"\0\0" * ((HOLD_EVERY_MS - HOLD_MS) * RATE // 1000)


def ringing() -> bytes:
    """One period of a ringing tone."""
    tone = mix(RING_HZ, RING_PEAKS, RING_MS)
    return tone + b"\0\0" * ((RING_EVERY_MS - RING_MS) * RATE // 1000)


def comfort() -> bytes:
    """One period of what tells a waiting caller that the line stands: a soft chime."""
    tone = mix(COMFORT_HZ, COMFORT_PEAKS, COMFORT_MS)
    return tone + silence(COMFORT_EVERY_MS - COMFORT_MS)


#: Sounds that need no file, by the names that stand in the place of one.
BUILT_IN: Mapping[str, Callable[[], bytes]] = {
    "builtin:beep": beep,
    "builtin:comfort": comfort,
    "builtin:hold": hold,
    "builtin:ringing": ringing,
}
