"""WAV headers (RIFF, 16-bit PCM), as bytes: what to write, what was written, and what a crash left behind."""

from dataclasses import dataclass
from struct import Struct

HEADER_BYTES = 44
MAX_DATA_BYTES = 0xFFFFFFFF - HEADER_BYTES + 8
"""RIFF counts in 32 bits; a longer recording keeps its audio but says this length."""
BYTES_PER_SAMPLE = 2

_HEADER = Struct("<4sI4s4sIHHIIHH4sI")
_PCM = 1


class WavError(ValueError):
    """The bytes are not a header of this kind."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a header says; `data_bytes` counts all channels."""

    channels: int
    rate: int
    data_bytes: int

    @property
    def duration_ms(self) -> float:
        """The length of the audio."""
        return self.data_bytes * 1000 / (self.channels * BYTES_PER_SAMPLE * self.rate)


def header(channels: int, rate: int, data_bytes: int) -> bytes:
    """The 44 bytes before `data_bytes` of interleaved s16 audio."""
    frame_bytes = channels * BYTES_PER_SAMPLE
    data_bytes = min(data_bytes, MAX_DATA_BYTES)
    return _HEADER.pack(
        *(b"RIFF", data_bytes + HEADER_BYTES - 8, b"WAVE"),
        *(b"fmt ", 16, _PCM, channels, rate, rate * frame_bytes, frame_bytes, 8 * BYTES_PER_SAMPLE),
        *(b"data", data_bytes),
    )


def parse_header(data: bytes) -> WavFormat:
    """What the first 44 bytes of a file say. Raises WavError if they are not what header() writes."""
    if len(data) < HEADER_BYTES:
        raise WavError(f"{len(data)} bytes are too few for a WAV header")
    riff, _, wave, fmt, fmt_bytes, coding, channels, rate, _, _, bits, tag, data_bytes = _HEADER.unpack_from(
        data
    )
    if (riff, wave, fmt, fmt_bytes, tag) != (b"RIFF", b"WAVE", b"fmt ", 16, b"data"):
        raise WavError("not a plain RIFF WAVE header")
    if coding != _PCM or bits != 8 * BYTES_PER_SAMPLE or not channels or not rate:
        raise WavError("not 16-bit PCM")
    return WavFormat(channels, rate, data_bytes)


def repaired_header(size: int, channels: int = 2, rate: int = 8000) -> bytes:
    """The header for a file of `size` bytes in all, whose writer died before it could say its length.

    Only whole frames count: the file should be cut to 44 bytes and the header's `data_bytes`.
    Raises WavError if the file is shorter than a header.
    """
    if size < HEADER_BYTES:
        raise WavError(f"{size} bytes are too few for a WAV header")
    frame_bytes = channels * BYTES_PER_SAMPLE
    return header(channels, rate, (size - HEADER_BYTES) // frame_bytes * frame_bytes)
