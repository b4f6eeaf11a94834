"""A message in the one frame that a WebSocket client sends it in (RFC 6455, 5.2 and 5.3). Does no I/O."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

try:
    from websockets.speedups import apply_mask
except ImportError:  # where websockets has no compiled part
    from websockets.utils import apply_mask

#: Enough for five seconds of a call.
KEYS_AT_ONCE = 256
_KEY_BYTES = 4

#: FIN and opcode 1 (text) or 9 (ping), then MASK and the length.
_TEXT, _PING = 0x81, 0x89
_MASKED = 0x80
_TWO_MORE, _EIGHT_MORE = 126, 127
_short = struct.Struct("!BB4s").pack
_medium = struct.Struct("!BBH4s").pack
_long = struct.Struct("!BBQ4s").pack


def text_frame(message: bytes, key: bytes) -> bytes:
    """`message`, which is UTF-8, in a frame of its own, masked with `key`: one of `mask_keys`."""
    size = len(message)
    if size < 126:
        head = _short(_TEXT, _MASKED | size, key)
    elif size < 65536:
        head = _medium(_TEXT, _MASKED | _TWO_MORE, size, key)
    else:
        head = _long(_TEXT, _MASKED | _EIGHT_MORE, size, key)
    return head + apply_mask(message, key)


def ping_frame(key: bytes) -> bytes:
    """A ping without data, which there is nothing of to be masked."""
    return _short(_PING, _MASKED, key)


def mask_keys() -> Iterator[bytes]:
    """Keys for one connection, each for one frame. Nobody else can foresee them (RFC 6455, 10.3).

    The system's entropy is asked for KEYS_AT_ONCE, since asking costs more than all the rest of a frame.
    """
    while True:
        keys = os.urandom(KEYS_AT_ONCE * _KEY_BYTES)
        for at in range(0, len(keys), _KEY_BYTES):
            yield keys[at : at + _KEY_BYTES]
