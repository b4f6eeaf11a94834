"""The jitter buffer: puts packets in order and reports what is missing, so that the timeline never shrinks.

A voice model needs no playout clock, so a packet in order is handed over at once. Only a gap waits, at most
for the current depth, and then becomes a `Hole` of the missing length. The depth follows the measured jitter.
When nothing arrives at all (DTX, hold, an outage), silence is handed out at the pace of the clock, because
the model's turn detection has to hear it. For another phone, rtp.playclock reads the same buffer by a clock.

A packet that was overtaken before the first one was handed over can't be played without delaying every call's
first packet; it counts as late. If nobody has popped the first yet, as in clocked mode, it is put before it.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from rtp.depth import AdaptiveDepth
from rtp.packet import RtpPacket
from rtp.params import JitterConfig
from rtp.reception import InterarrivalJitter, JitterCounts
from rtp.seq import SequenceTracker
from rtp.stats import InboundReport
from rtp.timeline import Hole, Timeline

DEFAULT_CONFIG = JitterConfig()

MAX_WAITING = 256
"""Packets kept behind a gap; with more than this the gap is given up at once."""
MAX_READY = 512
"""Packets in order that nobody has popped; beyond this the oldest is dropped and counted."""
MAX_GIVEN_UP = 128
"""Lost packets remembered, so that a late one can be told from a duplicate."""


class _Arrival(NamedTuple):
    packet: RtpPacket
    samples: int
    at: float
    lost_before: int = 0
    begins: bool = False


class JitterBuffer:
    """Adaptive reordering for one inbound stream. Depths are ms, times monotonic seconds."""

    def __init__(self, config: JitterConfig = DEFAULT_CONFIG, clock_hz: int = 8000) -> None:
        self._clock_hz = clock_hz
        self.counts = JitterCounts()
        self.sequence = SequenceTracker()
        self.jitter = InterarrivalJitter(clock_hz)
        self.timeline = Timeline(clock_hz, slack_s=config.max_ms / 1000)
        self.depth = AdaptiveDepth(config, self.jitter)
        self._stall_s = config.stall_ms / 1000
        self._ready: deque[_Arrival] = deque()
        self._waiting: dict[int, _Arrival] = {}
        self._first = 0
        self._next: int | None = None
        self._restarts = 0
        self._gap_until = 0.0
        self._given_up: dict[int, float] = {}

    def push(self, packet: RtpPacket, samples: int, now: float) -> None:
        """Take a packet that carries that many samples of audio; 0 for one that only occupies a sequence
        number (telephone events, comfort noise)."""
        extended = self.sequence.extend(packet.sequence)
        if extended is None:
            self.counts.unconfirmed += 1
            return
        if samples:
            self.jitter.update(packet.timestamp, now)
        if self._next is None or self.sequence.restarts != self._restarts:
            self._begin(extended, _Arrival(packet, samples, now, begins=True))
        elif extended == self._next:
            self._append(_Arrival(packet, samples, now))
            if self._waiting:
                self.counts.reordered += 1
                self._drain()
        elif extended < self._next:
            self._take_past(extended, _Arrival(packet, samples, now))
        else:
            self._hold(extended, _Arrival(packet, samples, now))

    def pass_on(self, sequence: int, timestamp: int, samples: int, now: float) -> bool:
        """Push and pop at once: the packet next in order, if nothing waits and no hole is before it.

        False, and nothing taken, for any other: that is for push() and pop().
        """
        if self._ready or self._waiting or sequence != self.sequence.awaited:
            return False
        if not self.timeline.go_on(timestamp, samples, now):
            return False
        self._next = self.sequence.advance() + 1
        self.jitter.update(timestamp, now)
        return True

    def pop(self, now: float) -> RtpPacket | Hole | None:
        """The next piece of the timeline that is ready, or None; to be called until None."""
        if not self._ready and not self._waiting and now < self.timeline.due_at:
            return None
        while self._ready or self._gap_is_over(now):
            if not self._ready:
                self._give_up()
            arrival = self._ready.popleft()
            hole = self._hole_before(arrival)
            if hole:
                self._ready.appendleft(arrival._replace(lost_before=0))
                return hole
            if arrival.samples:
                self.timeline.advance(arrival.packet.timestamp, arrival.samples, arrival.at, now)
                return arrival.packet
        return self._fill(now)

    def following(self) -> Iterator[RtpPacket]:
        """After pop() returned a hole that packets ended: the unbroken audio behind it, as far as it came."""
        expected: int | None = None
        for packet, samples, *_ in self._ready:
            if not samples or (expected is not None and packet.timestamp != expected):
                return
            yield packet
            expected = (packet.timestamp + samples) & 0xFFFFFFFF

    def next_deadline(self) -> float | None:
        """When pop() has something even if nothing more arrives; in the past if it has something now."""
        if self._ready:
            return self._ready[0].at
        if self._waiting:
            return self._gap_until
        return self.timeline.fill_at(self._stall_s) if self.timeline.started else None

    def is_due(self, now: float) -> bool:
        """Whether next_deadline() has come."""
        if now < self.timeline.due_at and not self._ready and not self._waiting:
            return False
        deadline = self.next_deadline()
        return deadline is not None and deadline <= now

    def end_wait(self, now: float) -> None:
        """Let an open gap wait no longer: its audio is due."""
        self._gap_until = min(self._gap_until, now)

    def restart(self) -> None:
        """Take the next packet as the beginning of a new numbering (new SSRC) on the same timeline."""
        self.sequence.force_restart()
        self.jitter.restart()

    def fill_in(self, report: InboundReport, now: float) -> None:
        """The buffer's part of the report."""
        counts, jitter, timeline = self.counts, self.jitter, self.timeline
        report.lost, report.late, report.duplicate = counts.lost, counts.late, counts.duplicate
        report.reordered, report.unconfirmed = counts.reordered, counts.unconfirmed
        report.overflowed, report.restarts = counts.overflowed, self.sequence.restarts
        report.stretched_ms = timeline.stretched * 1000 / self._clock_hz
        report.timestamp_jumps = timeline.jumps
        report.jitter_mean_ms, report.jitter_max_ms = jitter.mean_ms, jitter.max_ms
        report.buffer_depth_ms = self.depth.ms(now)
        report.loss_percent = 100 * (counts.lost + counts.late) / max(self.sequence.expected, 1)

    def _begin(self, extended: int, arrival: _Arrival) -> None:
        for waiting in sorted(self._waiting):
            self._append(self._waiting.pop(waiting))
        self._given_up.clear()
        self._restarts = self.sequence.restarts
        self._first = self._next = extended
        self._append(arrival)

    def _append(self, arrival: _Arrival) -> None:
        self._next = (self._next or 0) + 1
        self._ready.append(arrival)
        if len(self._ready) > MAX_READY:
            self._ready.popleft()
            self.counts.overflowed += 1

    def _drain(self) -> None:
        while self._next in self._waiting:
            self._append(self._waiting.pop(self._next))
        if self._waiting:
            self._open_gap()

    def _hold(self, extended: int, arrival: _Arrival) -> None:
        if extended in self._waiting:
            self.counts.duplicate += 1
            return
        if extended < self.sequence.highest:
            self.counts.reordered += 1
        self._waiting[extended] = arrival
        if len(self._waiting) == 1:
            self._open_gap()

    def _open_gap(self) -> None:
        """The wait counts from the first packet behind the gap, whichever gap it is."""
        first_at = min(arrival.at for arrival in self._waiting.values())
        self._gap_until = first_at + self.depth.ms(first_at) / 1000

    def _gap_is_over(self, now: float) -> bool:
        return bool(self._waiting) and (now >= self._gap_until or len(self._waiting) > MAX_WAITING)

    def _give_up(self) -> None:
        assert self._next is not None
        first = min(self._waiting)
        lost = first - self._next
        self.counts.lost += lost
        for extended in range(max(self._next, first - MAX_GIVEN_UP), first):
            self._given_up[extended] = self._waiting[first].at
        while len(self._given_up) > MAX_GIVEN_UP:
            del self._given_up[next(iter(self._given_up))]
        self._next = first
        self._waiting[first] = self._waiting[first]._replace(lost_before=lost)
        self._drain()

    def _take_past(self, extended: int, arrival: _Arrival) -> None:
        """A packet whose place has been passed; it can still go before a first one that nobody has popped."""
        since = self._given_up.pop(extended, None)
        if since is None:
            if extended >= self._first:
                self.counts.duplicate += 1
            elif any(ready.begins for ready in self._ready):
                self._begin_before(extended, arrival)
            else:
                self.counts.late += 1
            return
        now = arrival.at
        self.counts.late += 1
        self.counts.lost -= 1
        self.depth.missed_by(1000 * (now - since), now)

    def _begin_before(self, extended: int, arrival: _Arrival) -> None:
        """What is ready of a numbering before this one stays ahead."""
        numbered: list[_Arrival] = []
        while not numbered or not numbered[-1].begins:
            numbered.append(self._ready.pop())
        for place, ready in enumerate(reversed(numbered), self._first):
            self._waiting[place] = ready._replace(begins=False)
        self._first = self._next = extended
        self._append(arrival._replace(begins=True))
        self.counts.reordered += 1
        self._drain()

    def _hole_before(self, arrival: _Arrival) -> Hole | None:
        if arrival.begins:
            self.timeline.rebase()
        if arrival.lost_before:
            self.timeline.lose(arrival.lost_before)
        return self.timeline.hole_before(arrival.packet.timestamp, arrival.at) if arrival.samples else None

    def _fill(self, now: float) -> Hole | None:
        if self._waiting or not self.timeline.started or now < self.timeline.fill_at(self._stall_s):
            return None
        return self.timeline.fill(now)
