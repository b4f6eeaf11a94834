"""Comfort noise: what a peer with voice activity detection wants heard while it sends nothing (RFC 3389)."""

import numpy as np

PAYLOAD_TYPES = (13, 19)
"""13 is RFC 3389's; 19 was the drafts', is reserved since, and old gateways still send it."""
FULL_SCALE = 32124
"""0 dBov is a square wave at the overload point of mu-law (RFC 3389, 3): 8031 in 14 bits."""
_LEVEL_MASK = 0x7F


class ComfortNoise:
    """White noise at the level that was asked for; a model of the spectrum, which is optional, is ignored."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def pcm(self, n_samples: int, level_dbov: int) -> bytes:
        """Little-endian s16 PCM whose RMS is that many dB below the overload point (`level_dbov` <= 0)."""
        noise = self._rng.standard_normal(n_samples) * (FULL_SCALE * 10 ** (level_dbov / 20))
        return bytes(np.clip(np.rint(noise), -32768, 32767).astype("<i2").tobytes())


def noise_level(payload: bytes) -> int | None:
    """The level in dBov, -127..0, of a comfort noise packet; None if it is empty (RFC 3389, 3.1)."""
    return -(payload[0] & _LEVEL_MASK) if payload else None
