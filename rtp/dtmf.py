"""DTMF as named telephone events: receiver and sender (RFC 4733, 2)."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from rtp.events import DigitReceived
from rtp.seq import timestamp_delta

DIGITS = "0123456789*#ABCD"
FLASH_EVENT = 16
END_REPEATS = 3
"""The last packet is sent three times (RFC 4733, 2.5.1.4)."""
LOST_END_S = 0.25
"""Without a packet for this long an event is over, although no end packet came."""
MAX_DURATION = 0xFFFF
"""An event longer than this goes on in a new segment (RFC 4733, 2.5.1.3)."""
DEFAULT_VOLUME = 10
"""Power in -dBm0."""

_PAYLOAD = Struct("!BBH")
_END = 0x80


@dataclass(slots=True)
class _Press:
    event: int
    timestamp: int
    duration: int
    earlier: int = 0
    """Duration of the segments before this one."""


class DigitReceiver:
    """Turns event packets into digits: each press once and in order, whichever of its packets arrive."""

    def __init__(self, clock_hz: int = 8000) -> None:
        self._clock_hz = clock_hz
        self._press: _Press | None = None
        self.over_at = float("inf")
        """When the current press is over unless another packet comes."""
        self._last_over: tuple[int, int] | None = None
        """Event and timestamp of the last press that was reported."""

    def receive(self, payload: bytes, timestamp: int, now: float) -> list[DigitReceived]:
        """The digits that this packet completes. Malformed payloads and other events say nothing."""
        if len(payload) < _PAYLOAD.size:
            return []
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        if event > FLASH_EVENT or self._is_old(event, timestamp):
            return []
        over = self._follow(event, timestamp, duration, now)
        if flags & _END:
            over += self._finish()
        return over

    def expire(self, now: float) -> list[DigitReceived]:
        """The digit whose end packets were all lost, once next_timer() is reached."""
        return self._finish() if now >= self.over_at else []

    def restart(self) -> list[DigitReceived]:
        """The stream's timestamps begin anew: the current press is over."""
        over = self._finish()
        self._last_over = None
        return over

    def next_timer(self) -> float | None:
        """`over_at`, None if no key is down."""
        return None if self._press is None else self.over_at

    def _is_old(self, event: int, timestamp: int) -> bool:
        """Whether a packet says nothing new: it is late, or goes on with a press that was taken for over."""
        if self._press is not None:
            return timestamp_delta(timestamp, self._press.timestamp) < 0
        if self._last_over is None:
            return False
        last_event, last = self._last_over
        since = timestamp_delta(timestamp, last)
        if event == last_event and _goes_on(since):
            self._last_over = event, timestamp
            return True
        return since <= 0

    def _follow(self, event: int, timestamp: int, duration: int, now: float) -> list[DigitReceived]:
        press = self._press
        if press and press.event == event and press.timestamp == timestamp:
            press.duration = max(press.duration, duration)
            self.over_at = now + LOST_END_S
            return []
        earlier = 0
        over: list[DigitReceived] = []
        since = timestamp_delta(timestamp, press.timestamp) if press else 0
        if press and press.event == event and _goes_on(since):
            earlier = press.earlier + since
        else:
            over = self._finish()
        self._press = _Press(event, timestamp, duration, earlier)
        self.over_at = now + LOST_END_S
        return over

    def _finish(self) -> list[DigitReceived]:
        press, self._press = self._press, None
        if press is None:
            return []
        self.over_at = float("inf")
        self._last_over = press.event, press.timestamp
        digit = "flash" if press.event == FLASH_EVENT else DIGITS[press.event]
        return [DigitReceived(digit, (press.earlier + press.duration) * 1000 // self._clock_hz)]


def _goes_on(since: int) -> bool:
    """Whether that much later in timestamps is another segment of a press; those between may be lost."""
    return since > 0 and since % MAX_DURATION == 0


class EventPacket(NamedTuple):
    """One packet of a press, for one frame's slot. It bears the timestamp of its segment, `offset`
    after that of the press: 0 unless that is longer than MAX_DURATION."""

    payload: bytes
    first: bool
    offset: int = 0


class DigitSender:
    """The presses waiting to be sent: one packet for each frame's slot, in place of its audio."""

    def __init__(self, clock_hz: int = 8000) -> None:
        self._clock_hz = clock_hz
        self._packets: deque[EventPacket] = deque()

    def press(self, digit: str, duration_ms: int, slot_ms: int) -> None:
        """Queue a press, with packets every `slot_ms`. Raises ValueError if it is not one of DIGITS."""
        if len(digit) != 1 or digit.upper() not in DIGITS:
            raise ValueError(f"{digit!r} is not a DTMF digit")
        self._packets.extend(_packets(DIGITS.index(digit.upper()), duration_ms, slot_ms, self._clock_hz))

    @property
    def busy(self) -> bool:
        """Whether the next slot belongs to a digit."""
        return bool(self._packets)

    def next_packet(self) -> EventPacket:
        """The packet for this slot. Raises IndexError if not busy."""
        return self._packets.popleft()


def _packets(event: int, duration_ms: int, slot_ms: int, clock_hz: int) -> Iterator[EventPacket]:
    total = duration_ms * clock_hz // 1000
    slot = slot_ms * clock_hz // 1000
    for pressed in range(slot, total, slot):
        offset = (pressed - 1) // MAX_DURATION * MAX_DURATION
        yield EventPacket(_PAYLOAD.pack(event, DEFAULT_VOLUME, pressed - offset), pressed == slot, offset)
    offset = max(total - 1, 0) // MAX_DURATION * MAX_DURATION
    for repeat in range(END_REPEATS):
        first = total <= slot and repeat == 0
        yield EventPacket(_PAYLOAD.pack(event, _END | DEFAULT_VOLUME, total - offset), first, offset)
