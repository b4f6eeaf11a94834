"""What happened in a session: frozen facts in the past tense, for the leg to consume."""

from dataclasses import dataclass
from enum import Enum

from rtp.address import Address


@dataclass(frozen=True, slots=True)
class FirstPacketReceived:
    """The first valid audio packet of the session came from the latched source."""

    addr: Address


@dataclass(frozen=True, slots=True)
class SourceLatched:
    """The session locked onto its first source, and sends there from now on."""

    addr: Address


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """The lock moved, after a re-INVITE or because the old source fell silent."""

    old: Address
    new: Address


@dataclass(frozen=True, slots=True)
class ForeignPacketDropped:
    """Packets from elsewhere were dropped, `total` so far. Reported at 1, 2, 4, 8, ... packets."""

    addr: Address
    total: int


@dataclass(frozen=True, slots=True)
class StreamRestarted:
    """The locked source began a new stream: a new SSRC, or a new numbering under the same."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """One press of a key: 0-9, *, #, A-D or `flash`."""

    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ByeReceived:
    """The peer's RTCP said that its stream is over. The call ends by SIP, not by this."""

    ssrc: int


RtpEvent = (
    FirstPacketReceived
    | SourceLatched
    | SourceChanged
    | ForeignPacketDropped
    | StreamRestarted
    | DigitReceived
    | ByeReceived
)


class StarvationCause(Enum):
    """Why there was nothing to send in mid-utterance."""

    BACKEND_LATE = "backend_late"
    LOOP_LATE = "loop_late"
    WORKER_OVERLOADED = "worker_overloaded"


@dataclass(frozen=True, slots=True)
class ItemStarted:
    """An item's first sample was taken from playout, at monotonic seconds `at`."""

    item_id: str
    content_index: int
    at: float


@dataclass(frozen=True, slots=True)
class ItemPlayed:
    """An item that had started is over: its last sample was taken, or (interrupted) it was flushed."""

    item_id: str
    content_index: int
    played_ms: int
    flushed_ms: int
    interrupted: bool
    starvations: dict[StarvationCause, int]
    """Frames that found nothing to send in mid-item."""


@dataclass(frozen=True, slots=True)
class MarkReached:
    """All audio pushed before the mark was taken from playout, or flushed."""

    name: str


PlayoutEvent = ItemStarted | ItemPlayed | MarkReached
