"""A WebSocket connection that drops the caller's audio unparsed, for sessions that don't listen to it.

Parsing 50 messages a second for each of hundreds of callers costs more than all the rest of the model.
"""

from __future__ import annotations

from sipagent.simulator.realtime_packing import PackingConnection

#: How our own backend's message begins; one that begins otherwise is parsed like any other.
_BEGINNING = b'{"type":"input_audio_buffer.append"'[:32]
_WANTED = int.from_bytes(_BEGINNING, "big")
_WHOLE_TEXT, _MASKED_16_BIT_LENGTH = 0x81, 0x80 | 126
_HEADER, _MASK_AT = 8, 4


def audio_bytes(data: bytes) -> int:
    """How many bytes at the beginning of `data` are whole frames with the caller's audio (RFC 6455, 5.2).

    Where `data` goes on from an unfinished frame, it would have to look like one by chance for its 40 first
    bytes.
    """
    end = 0
    while (
        len(data) >= end + _HEADER + len(_BEGINNING)
        and data[end] == _WHOLE_TEXT
        and data[end + 1] == _MASKED_16_BIT_LENGTH
    ):
        after = end + _HEADER + (data[end + 2] << 8 | data[end + 3])
        mask = data[end + _MASK_AT : end + _HEADER] * (len(_BEGINNING) // 4)
        text = data[end + _HEADER : end + _HEADER + len(_BEGINNING)]
        is_audio = int.from_bytes(text, "big") ^ int.from_bytes(mask, "big") == _WANTED
        if after > len(data) or not is_audio:
            break
        end = after
    return end


class SkippingConnection(PackingConnection):
    """Everything but whole frames with audio is treated as usual."""

    def data_received(self, data: bytes) -> None:
        skipped = audio_bytes(data)
        if skipped < len(data):
            super().data_received(data[skipped:])
