"""What callers send: speech with pauses and a key now and then, as `rtp_peers` reads it from a file."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from benchmarks.speech import VOICES, speech
from rtp import g711
from rtp.dtmf import DigitSender

FRAME_MS = 20
FRAME = 160
PCMU, TELEPHONE_EVENT = 0, 101
DIGIT = "5"
PRESS_MS = 100
PRESSED_AFTER_S = 12.0

#: `struct frame` of rtp_peers.c: payload type, marker, size, timestamp in the track, payload.
_ROOM = 192
_RECORD = Struct(f"=BBHI{_ROOM}s")
_WHOLE = 0xFF


def track(law: bytes, digits: dict[int, str]) -> bytes:
    """Frames of mu-law speech, in whose place the packets of a press stand from the frames in `digits` on."""
    sender, records, pressed_at = DigitSender(), [], 0
    for number in range(len(law) // FRAME):
        stamp = number * FRAME
        if number in digits:
            sender.press(digits[number], PRESS_MS, FRAME_MS)
        if sender.busy:
            payload, is_first, offset = sender.next_packet()
            pressed_at = stamp if is_first else pressed_at
            records.append(_record(TELEPHONE_EVENT, is_first, pressed_at + offset, payload))
        else:
            records.append(_record(PCMU, number == 0, stamp, law[stamp : stamp + FRAME]))
    return b"".join(records)


def callers_track() -> bytes:
    """Some 24 s of a voice, and one key."""
    return track(callers_speech(), {int(PRESSED_AFTER_S * 1000) // FRAME_MS: DIGIT})


def whole(datagrams: Iterable[bytes]) -> bytes:
    """Datagrams to be sent as they are. Raises ValueError of one that is too long."""
    records = []
    for datagram in datagrams:
        if len(datagram) > _ROOM:
            raise ValueError(f"a datagram of {len(datagram)} bytes has no room in a track")
        records.append(_record(_WHOLE, False, 0, datagram))
    return b"".join(records)


def callers_speech() -> bytes:
    return g711.pcm_to_ulaw(speech(VOICES[0]).tobytes())


def _record(kind: int, marker: bool, stamp: int, payload: bytes) -> bytes:
    return _RECORD.pack(kind, marker, len(payload), stamp, payload)
