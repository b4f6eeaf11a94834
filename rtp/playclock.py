"""The clocked mode of the jitter buffer, for a path that feeds another phone: a frame for every tick.

Audio waits here for the buffer's depth, and its delay stays what it was at the start. The clock follows a
sender whose own is faster or slower by dropping or inventing a frame, in a pause if one comes in time. A gap
is given up when its audio is due, not before. What is invented because nothing has come is owed: a hole that
turns out to be loss or silence pays it back, audio that was merely late makes the delay longer.
"""

from collections import deque
from dataclasses import dataclass
from math import copysign

import numpy as np

from rtp import g711
from rtp.filler import Filler
from rtp.frames import Concealed, Frame
from rtp.receiver import CLOCK_HZ, Receiver
from rtp.stats import InboundReport

MAX_EXCESS_MS = 200.0
"""With this much more waiting than should be, as after an outage, the oldest is dropped at once."""
IN_PAUSE, IN_SPEECH = 0.6, 0.8
"""How far the delay may be off, in frames (or jitter, if that is more), before one is dropped or invented.
Above a half, so that no correction calls for the opposite one."""
SPACING = 10
"""Frames between corrections in speech."""
MAX_SPARE = 3
"""Frames. The delay follows a deeper buffer at once, a shallower one only from this difference on."""
QUIET_RMS = 180
"""About -45 dBov: what can go or be doubled unnoticed."""
SETTLING = 256
"""The delay that is kept is the mean over so many frames at the start, and is watched with that smoothing."""
_PER_MS = CLOCK_HZ // 1000


@dataclass(slots=True)
class ClockCounts:
    """What the clock did to the audio, in samples."""

    starved: int = 0
    """Invented because nothing had come, although the sender had not announced a pause."""
    inserted: int = 0
    dropped: int = 0


class PlayClock:
    """Reads a receiver at the pace of the caller's clock; use it instead of the receiver's own pop()."""

    def __init__(self, receiver: Receiver) -> None:
        self.counts = ClockCounts()
        self.delay_ms: float | None = None
        """From arrival to playout, smoothed; None before the first frame."""
        self._receiver = receiver
        self._target_ms = 0.0
        self._measured = 0
        self._owed = 0
        self._since_correction = 0
        self._law = receiver.law
        self._filler = Filler(self._law)
        self._queue: deque[Frame | Concealed] = deque()
        self._queued = 0

    def configure(self) -> None:
        """If the receiver's law has changed, what waits in the old one is dropped."""
        if self._receiver.law is not self._law:
            self._law = self._receiver.law
            self._filler.configure(self._law)
            self._queue.clear()
            self._queued = 0

    def stop(self) -> None:
        """Nobody listens any more: what waits is dropped, and who listens next begins anew."""
        self._queue.clear()
        self._queued = self._owed = self._measured = self._since_correction = 0

    def fill_in(self, report: InboundReport) -> None:
        """The clock's part of the receiver's report."""
        report.starved_ms = self.counts.starved / _PER_MS
        report.inserted_ms = self.counts.inserted / _PER_MS
        report.dropped_ms = self.counts.dropped / _PER_MS
        report.playout_delay_ms = self.delay_ms

    def pop(self, samples: int, now: float) -> Frame | Concealed | None:
        """Exactly this much audio, or None before the first packet has waited for the depth.

        To be called once every `samples` of the listener's clock.
        """
        if not self._measured and not self._is_time(now):
            return None
        self._draw(now)
        inserted = self._steer(samples, now)
        if inserted is not None:
            return inserted
        if self._queued < samples:
            self._receiver.buffer.end_wait(now)
            self._draw(now)
        heard = self._take(samples)
        if len(heard.payload) < samples:
            heard = self._complete(heard, samples)
        else:
            self._filler.hear(heard.payload, 0)
        return heard

    def _is_time(self, now: float) -> bool:
        buffer = self._receiver.buffer
        first_at = buffer.next_deadline()
        return first_at is not None and now >= first_at + buffer.depth.ms(now) / 1000

    def _draw(self, now: float) -> None:
        heard = False
        while (piece := self._receiver.pop(now)) is not None:
            heard |= isinstance(piece, Frame)
            self._put(piece, now)
        if heard:
            self._measure(now)

    def _put(self, piece: Frame | Concealed, now: float) -> None:
        if self._owed and isinstance(piece, Concealed):
            paid = min(self._owed, len(piece.payload))
            self._owed -= paid
            piece = piece._replace(payload=piece.payload[paid:])
        elif self._owed:
            self._receiver.buffer.depth.missed_by(self._target_ms + self._owed / _PER_MS, now)
            self._owed = 0
        if piece.payload:
            self._queue.append(piece)
            self._queued += len(piece.payload)

    def _measure(self, now: float) -> None:
        arrived_at, samples = self._receiver.buffer.timeline.newest
        delay_ms = 1000 * (now - arrived_at) + (self._queued - samples) / _PER_MS
        self._measured += 1
        if self.delay_ms is None or self._measured == 1:
            self.delay_ms = delay_ms
        self.delay_ms += (delay_ms - self.delay_ms) / min(self._measured, SETTLING)
        if self._measured <= SETTLING:
            self._target_ms = self.delay_ms

    def _steer(self, samples: int, now: float) -> Concealed | None:
        """Drop a frame, or invent one that is to be heard now, if the delay is off by about a frame."""
        if self.delay_ms is None or not self._measured or not self._queue:
            return None
        self._follow_depth(samples, now)
        if self._queued > (self._target_ms + MAX_EXCESS_MS) * _PER_MS:
            self._drop(self._queued - int(self._target_ms * _PER_MS))
            self.delay_ms = self._target_ms
        tolerance_ms = max(samples / _PER_MS, self._receiver.buffer.jitter.ms)
        off = (self.delay_ms - self._target_ms) / tolerance_ms
        self._since_correction += 1
        if not self._may_correct(off, samples):
            return None
        self._since_correction = 0
        self.delay_ms -= copysign(samples / _PER_MS, off)
        if off > 0:
            self._drop(samples)
            return None
        self.counts.inserted += samples
        payload = self._filler.conceal(samples, self._queue[0].payload)
        return Concealed(payload, lost=False)

    def _follow_depth(self, samples: int, now: float) -> None:
        spare_ms = self._target_ms - self._receiver.buffer.depth.ms(now)
        if spare_ms < 0 or spare_ms > MAX_SPARE * samples / _PER_MS:
            self._target_ms -= spare_ms

    def _may_correct(self, off: float, samples: int) -> bool:
        if abs(off) < IN_PAUSE or (off > 0 and self._queued < 2 * samples):
            return False
        if abs(off) >= IN_SPEECH and self._since_correction >= SPACING:
            return True
        pcm = np.frombuffer(g711.DECODE[self._law](self._queue[0].payload), "<i2").astype(np.float32)
        return bool(pcm @ pcm < QUIET_RMS**2 * len(pcm))

    def _drop(self, samples: int) -> None:
        self.counts.dropped += len(self._take(samples).payload)

    def _take(self, samples: int) -> Frame | Concealed:
        """At most that much of the queue; a Frame if any of it arrived."""
        payload, arrived, lost = b"", False, False
        while self._queue and len(payload) < samples:
            piece = self._queue.popleft()
            wanted = samples - len(payload)
            payload += piece.payload[:wanted]
            if isinstance(piece, Frame):
                arrived = True
            else:
                lost |= piece.lost
            if wanted < len(piece.payload):
                self._queue.appendleft(piece._replace(payload=piece.payload[wanted:]))
        self._queued -= len(payload)
        return Frame(payload) if arrived else Concealed(payload, lost)

    def _complete(self, heard: Frame | Concealed, samples: int) -> Frame | Concealed:
        missing = samples - len(heard.payload)
        self._owed += missing
        if self._receiver.pausing:
            return heard._replace(payload=heard.payload + self._receiver.pause(missing))
        self.counts.starved += missing
        if heard.payload:
            self._filler.hear(heard.payload, 0)
            return heard._replace(payload=heard.payload + self._filler.conceal(missing))
        return Concealed(self._filler.conceal(missing), lost=True)
