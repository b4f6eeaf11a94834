"""What a telephone sends: speech, digits, silence or comfort noise, a packet for every frame that is due."""

from __future__ import annotations

import secrets
from collections import deque

from rtp.dtmf import DigitSender
from rtp.packet import RtpPacket
from sipagent.formats import CODECS

PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
TELEPHONE_EVENT = 101
COMFORT_NOISE = 13


class Talker:
    """With `noise_dbov` it sends a comfort noise packet of that level when it has nothing to say, and then
    nothing (RFC 3389). `timestamp` and `sequence` are those of the next packet."""

    def __init__(self, ptime_ms: int, noise_dbov: int | None) -> None:
        self.ssrc, self.sequence = secrets.randbits(32), secrets.randbits(16)
        self.timestamp = 0
        self._ptime_ms = ptime_ms
        self._noise_dbov = noise_dbov
        self._speech: deque[bytes] = deque()
        self._digits = DigitSender()
        self._pressed_at = 0
        self._is_silent = False

    @property
    def has_speech(self) -> bool:
        """Is there any that wasn't sent yet?"""
        return bool(self._speech)

    @property
    def _frame(self) -> int:
        """Bytes of a packet's audio."""
        return 8 * self._ptime_ms

    def say(self, audio: bytes) -> None:
        """Law bytes, whole frames."""
        self._speech.extend(audio[at : at + self._frame] for at in range(0, len(audio), self._frame))

    def press(self, digit: str, duration_ms: int) -> None:
        """A digit by RFC 4733 in place of the next frames."""
        self._digits.press(digit, duration_ms, self._ptime_ms)

    def next_packet(self, codec: str) -> RtpPacket | None:
        """For the next frame; None if nothing is sent in its place."""
        stamp, self.timestamp = self.timestamp, self.timestamp + self._frame
        kind, marker = PAYLOAD_TYPES[codec], False
        payload = CODECS[codec].silence * self._frame
        if self._digits.busy:
            payload, marker, offset = self._digits.next_packet()
            self._pressed_at = stamp if marker else self._pressed_at
            kind, stamp = TELEPHONE_EVENT, self._pressed_at + offset
        elif self._speech:
            payload, marker = self._speech.popleft(), self._is_silent
            self._is_silent = False
        elif self._noise_dbov is not None:
            if self._is_silent:
                return None
            kind, payload, self._is_silent = COMFORT_NOISE, bytes([-self._noise_dbov]), True
        sequence, self.sequence = self.sequence, self.sequence + 1
        return RtpPacket(kind, sequence & 0xFFFF, stamp, self.ssrc, payload, marker)
