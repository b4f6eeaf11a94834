"""What is counted of inbound packets, one by one: RFC 3550 reception statistics, and what became of each."""

from dataclasses import dataclass

from rtp.rtcp import ReportBlock
from rtp.seq import SequenceTracker, timestamp_delta

_MAX_JUMP_S = 1.0


class InterarrivalJitter:
    """The deviation of packet spacing from the timestamps' (RFC 3550, 6.4.1 and A.8)."""

    __slots__ = ("_at", "_clock_hz", "_estimate_s", "_max_s", "_sum_s", "_timestamp", "_updates")

    def __init__(self, clock_hz: int) -> None:
        self._clock_hz = clock_hz
        self._timestamp: int | None = None
        self._at = 0.0
        self._estimate_s = self._max_s = self._sum_s = 0.0
        self._updates = 0

    def update(self, timestamp: int, now: float) -> None:
        """Take the arrival of one packet. A step of over a second is a jump or a pause, and says nothing."""
        if self._timestamp is not None:
            step = timestamp - self._timestamp
            if not 0 <= step < 0x80000000:
                step = timestamp_delta(timestamp, self._timestamp)
            delta_s = now - self._at - step / self._clock_hz
            if -_MAX_JUMP_S < delta_s < _MAX_JUMP_S:
                estimate_s = self._estimate_s
                self._estimate_s = estimate_s = estimate_s + (abs(delta_s) - estimate_s) / 16
                self._sum_s += estimate_s
                self._updates += 1
                if estimate_s > self._max_s:
                    self._max_s = estimate_s
        self._timestamp, self._at = timestamp, now

    def restart(self) -> None:
        """The next packet's timestamp has nothing to do with the last one's."""
        self._timestamp = None

    @property
    def ms(self) -> float:
        """The current estimate."""
        return 1000 * self._estimate_s

    @property
    def mean_ms(self) -> float:
        """The mean of the estimate over all packets so far."""
        return 1000 * self._sum_s / self._updates if self._updates else 0.0

    @property
    def max_ms(self) -> float:
        """The highest estimate so far."""
        return 1000 * self._max_s

    @property
    def timestamp_units(self) -> int:
        """The current estimate as RTCP reports it."""
        return int(self._estimate_s * self._clock_hz)


@dataclass(slots=True)
class JitterCounts:
    """What went wrong in the jitter buffer, in packets."""

    lost: int = 0
    """Given up as missing and not seen since."""
    late: int = 0
    """Came after they had been given up, or after a later one had begun the stream."""
    duplicate: int = 0
    reordered: int = 0
    """Out of order, but in time."""
    unconfirmed: int = 0
    """Dropped because their number jumped and no successor confirmed it yet."""
    overflowed: int = 0
    """Dropped because nobody popped."""


@dataclass(slots=True)
class ReceiverCounts:
    """What became of the packets that came: see `InboundReport`."""

    packets: int = 0
    bytes: int = 0
    malformed: int = 0
    unwanted: int = 0
    foreign: int = 0
    unknown_payload_type: int = 0
    comfort_noise: int = 0
    payload_type_changes: int = 0
    ssrc_changes: int = 0


class ReceptionStats:
    """Loss of one inbound source as RTCP reports it (RFC 3550, 6.4.1 and A.3)."""

    __slots__ = ("_expected_before", "_jitter", "_of_earlier", "_received_before", "_sequence", "received")

    def __init__(self, sequence: SequenceTracker, jitter: InterarrivalJitter) -> None:
        self.received = 0
        """Packets, duplicates and late ones included, as the RFC has it."""
        self._sequence = sequence
        self._jitter = jitter
        self._of_earlier = 0
        self._expected_before = 0
        self._received_before = 0

    def restart(self) -> None:
        """The last packet is the first of another source or numbering: count anew (RFC 3550, A.1)."""
        self.received = 1
        self._of_earlier = self._sequence.expected - 1
        self._expected_before = self._received_before = 0

    def block(self, ssrc: int, last_sr: int, delay_since_last_sr: int) -> ReportBlock:
        """The report block for this interval; the next one counts its fraction from here."""
        expected = self._sequence.expected - self._of_earlier
        interval = expected - self._expected_before
        lost = interval - (self.received - self._received_before)
        self._expected_before, self._received_before = expected, self.received
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=min(lost * 256 // interval, 255) if lost > 0 else 0,
            cumulative_lost=min(max(expected - self.received, -0x800000), 0x7FFFFF),
            extended_highest=self._sequence.extended_highest,
            jitter=self._jitter.timestamp_units,
            last_sr=last_sr,
            delay_since_last_sr=delay_since_last_sr,
        )
