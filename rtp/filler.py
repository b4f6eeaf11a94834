"""What fills the holes of a stream, in its law: concealment for loss, comfort noise or silence for DTX."""

from collections import deque

from rtp import g711
from rtp.comfort import ComfortNoise, noise_level
from rtp.g711 import Law
from rtp.plc import Concealer
from rtp.seq import timestamp_delta

HISTORY_FRAMES = 4
"""Frames that concealment may look back on: enough of the shortest, 10 ms."""


class Filler:
    """Remembers what was heard last, and the noise that was asked for. Lengths and counts are samples."""

    def __init__(self, law: Law) -> None:
        self.concealed = 0
        self.silent = 0
        self.noise = 0
        self._history: deque[bytes] = deque(maxlen=HISTORY_FRAMES)
        self._concealer: Concealer | None = None
        self._comfort: ComfortNoise | None = None
        self._level_dbov: int | None = None
        self._since = 0
        self.configure(law)

    def configure(self, law: Law) -> None:
        """The law from now on."""
        self._law = law
        self._history.clear()
        self._concealer = None

    def hear(self, payload: bytes, timestamp: int) -> None:
        """Audio that arrived. It ends the noise of a packet before it, but not of one that overtook it."""
        self._history.append(payload)
        self._concealer = None
        if self._level_dbov is not None and timestamp_delta(timestamp, self._since) >= 0:
            self._level_dbov = None

    def ask_for_noise(self, payload: bytes, timestamp: int) -> None:
        """A comfort noise packet came: its level holds until there is audio again."""
        level = noise_level(payload)
        if level is not None:
            self._level_dbov, self._since = level, timestamp

    def forget_noise(self) -> None:
        """The stream's timestamps begin anew."""
        self._level_dbov = None

    def conceal(self, samples: int, following: bytes = b"") -> bytes:
        """For lost audio; `following` is what comes after it, if that is known."""
        self.concealed += samples
        if self._concealer is None:
            self._concealer = Concealer()
            self._concealer.good(g711.DECODE[self._law](b"".join(self._history)))
        pcm = self._concealer.conceal(samples, g711.DECODE[self._law](following))
        payload = g711.ENCODE[self._law](pcm)
        self._history.append(payload)
        return payload

    def pause(self, samples: int) -> bytes:
        """For audio that the sender never sent."""
        if self._level_dbov is None:
            self.silent += samples
            return g711.SILENCE[self._law] * samples
        self.noise += samples
        if self._comfort is None:
            self._comfort = ComfortNoise()
        return g711.ENCODE[self._law](self._comfort.pcm(samples, self._level_dbov))

    @property
    def pausing(self) -> bool:
        """Whether the sender said that it would fall silent, and has not been heard since."""
        return self._level_dbov is not None
