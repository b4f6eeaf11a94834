"""A WebSocket connection that drops the caller's audio unparsed, for sessions that don't listen to it.

Parsing 50 messages a second for each of hundreds of callers costs more than all the rest of the model, and
then to be woken for each does. So while nothing but audio comes, it looks REST_S later for more.
"""

from __future__ import annotations

from sipagent.simulator.realtime_packing import PackingConnection

#: How our own backend's message begins; one that begins otherwise is parsed like any other.
_BEGINNING = b'{"type":"input_audio_buffer.append"'[:32]
_WANTED = int.from_bytes(_BEGINNING, "big")
_WHOLE_TEXT, _MASKED_16_BIT_LENGTH = 0x81, 0x80 | 126
_HEADER, _MASK_AT = 8, 4
#: What comes meanwhile waits, about as long as for a model on another continent.
REST_S = 0.2


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

    _is_deaf = False

    def data_received(self, data: bytes) -> None:
        skipped = audio_bytes(data)
        if skipped < len(data):
            super().data_received(data[skipped:])
        else:
            self.transport.pause_reading()
            self.loop.call_later(REST_S, self._go_on)

    def read_no_more(self) -> None:
        self._is_deaf = True
        super().read_no_more()

    def _go_on(self) -> None:
        if not self._is_deaf and not self.transport.is_closing():
            self.transport.resume_reading()
