"""Audio formats: what flows between the phone, the media path and a backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Encoding = Literal["ulaw", "alaw", "pcm"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono audio: ITU-T G.711 law bytes, or little-endian signed 16-bit PCM, at `rate` Hz."""

    encoding: Encoding
    rate: int = 8000

    def __post_init__(self) -> None:
        if self.encoding != "pcm" and self.rate != 8000:
            raise ValueError(f"G.711 is always 8000 Hz, not {self.rate}")

    @property
    def bytes_per_ms(self) -> int:
        return self.rate // 1000 * (2 if self.encoding == "pcm" else 1)

    @property
    def silence(self) -> bytes:
        """One sample of silence."""
        return {"ulaw": b"\xff", "alaw": b"\xd5", "pcm": b"\0\0"}[self.encoding]

    def __str__(self) -> str:
        return f"{self.encoding}/{self.rate}"


ULAW = AudioFormat("ulaw")
ALAW = AudioFormat("alaw")

#: RTP encoding names (RFC 3551) of the codecs we negotiate, with the format of their payload.
CODECS: dict[str, AudioFormat] = {"PCMU": ULAW, "PCMA": ALAW}
