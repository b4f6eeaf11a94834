"""Two taps on one clock: the lanes of a stereo recording, kept aligned with the time that has passed.

What is written in one piece stays in one piece, bit for bit. The clock interferes only where a lane cannot be
right: it was silent (filled), it lags behind all the time (a slow clock, a skipped frame: filled), or it is
ahead. A lane gets ahead when audio was late and comes in a burst: then the silence that stands in its place
gives way, and in a lane's first moments the recording begins earlier. What is ahead all the same, as with a
fast clock, is cut.
"""

import math
from collections.abc import Callable

HOLD_S = 0.5
"""Audio may come this late, as it does after a gap in the jitter buffer; then its place is filled."""
AHEAD_S = 0.04
"""How far a lane may be ahead of the clock."""
LAG_S = 0.02
"""How far a lane may lag behind for all of WINDOW_S."""
WINDOW_S = 0.5
NEVER = -math.inf

#: Takes the lane, audio, and the moment of its last sample.
Unusual = Callable[["_Lane", bytes, float], None]


class _Lane:
    """One side. Positions and lags are samples; a positive lag is behind the clock.

    Audio that nothing has to be done about is appended, and no more: so it is with nearly all of it.
    `unusual` is called with the rest, and puts it in its `place`.
    """

    def __init__(self, rate: int, start: float, silence: bytes, unusual: Unusual) -> None:
        self.position = 0
        self.filled = 0
        self.dropped = 0
        self._rate = rate
        self.start = start
        self._silence = silence
        self._width = len(silence)
        self._unusual = unusual
        self._usual_until = NEVER
        """Until then audio that is about in time is appended: this window has seen some that was, and nothing
        is muted or doubtful."""
        self._least_behind = -AHEAD_S * rate
        self._most_behind = LAG_S * rate
        """More is filled. The first audio goes exactly to its place; lateness after it may be made up for."""
        self._audio = bytearray()
        self._muted_until = 0
        self._doubtful = self._doubtful_to = 0
        self._least_lag: int | None = None
        self._window_ends = start
        self._settles_at: float | None = None

    @property
    def available(self) -> int:
        return len(self._audio) // len(self._silence)

    def write(self, audio: bytes, now: float) -> None:
        position = self.position + len(audio) // self._width
        is_usual = now < self._usual_until
        if is_usual and self._least_behind <= (now - self.start) * self._rate - position <= self._most_behind:
            self._audio += audio
            self.position = position
        else:
            self._unusual(self, audio, now)

    def place(self, audio: bytes, now: float) -> None:
        """Have audio where it belongs, whatever there is about it."""
        samples = len(audio) // self._width
        lag = self._put_in_place(audio, samples, self.lag(now) - samples)
        self._watch(lag, now)
        in_time = self._least_lag is not None and self._least_lag <= LAG_S * self._rate
        is_usual = in_time and not self._doubtful and self._muted_until <= self.position
        self._usual_until = self._window_ends if is_usual else NEVER

    def _put_in_place(self, audio: bytes, samples: int, lag: int) -> int:
        """Append what belongs there, after silence or in its place. Returns the lag that is left."""
        if lag > self._most_behind:
            self.fill(lag)
            if self._least_lag is None:
                self.doubt(lag)
            lag = 0
        lag += self._give_way(lag)
        if lag < -AHEAD_S * self._rate:
            cut = min(-lag, samples)
            self.dropped += cut
            samples -= cut
            lag += cut
        muted = min(max(self._muted_until - self.position, 0), samples)
        width = self._width
        self._audio += self._silence * muted + audio[muted * width : samples * width]
        self.position += samples
        return lag

    def lag(self, now: float) -> int:
        return round((now - self.start) * self._rate) - self.position

    def doubt(self, samples: int) -> None:
        """The last samples are silence only because audio was late."""
        self._usual_until = NEVER
        self._doubtful, self._doubtful_to = samples, self.position

    def surplus(self, audio: bytes, now: float) -> int:
        """How far this audio, one of the first, would be ahead of the clock even if silence gives way."""
        if self._settles_at is None:
            self._settles_at = now + WINDOW_S
        ahead = len(audio) // len(self._silence) - self.lag(now)
        if now >= self._settles_at or ahead <= AHEAD_S * self._rate:
            return 0
        return max(ahead - self._still_doubtful(), 0)

    def begin_earlier(self, samples: int, lead: int) -> None:
        """The clock started that much earlier than it was set; what is here comes after silence of `lead`."""
        self.start -= samples / self._rate
        self._audio[:0] = self._silence * lead
        self.position += lead
        self._doubtful_to += lead
        self._muted_until += lead

    def mute(self, before: int, after: int) -> None:
        """Make silence of the last samples, as far as they are here still, and of the next."""
        kept = max(self.available - before, 0)
        self._audio[kept * len(self._silence) :] = self._silence * (self.available - kept)
        self._muted_until = max(self._muted_until, self.position + after)
        self._usual_until = NEVER

    def take(self, samples: int) -> bytes:
        size = samples * len(self._silence)
        taken = bytes(self._audio[:size])
        del self._audio[:size]
        return taken

    def _give_way(self, lag: int) -> int:
        """Let doubtful silence go, and return how much: all of it if that doesn't leave the lane behind, else
        as much as the lane is ahead."""
        doubtful = self._still_doubtful()
        if doubtful + lag <= LAG_S * self._rate:
            going = doubtful
        else:
            going = max(min(-lag, doubtful), 0)
        if going:
            width, end = len(self._silence), self.available - (self.position - self._doubtful_to)
            del self._audio[(end - going) * width : end * width]
            self.position -= going
            self._muted_until -= going
            self._doubtful_to -= going
            self._doubtful -= going
        return going

    def _still_doubtful(self) -> int:
        """As far as nobody has taken it."""
        kept = self.available - (self.position - self._doubtful_to)
        self._doubtful = max(min(self._doubtful, kept), 0)
        return self._doubtful

    def _watch(self, lag: int, now: float) -> None:
        """Fill what the lane lagged behind through a whole window: that is missing, unless all was late,
        as from a busy telephone, and what comes next isn't."""
        if self._least_lag is None:
            self._least_lag, self._window_ends = lag, now + WINDOW_S
            self._most_behind = HOLD_S * self._rate
        elif lag < self._least_lag:
            self._least_lag = lag
        if now >= self._window_ends:
            missing = self._least_lag if self._least_lag > LAG_S * self._rate else 0
            if missing:
                self.fill(missing)
                self.doubt(missing)
            self._least_lag, self._window_ends = lag - missing, now + WINDOW_S

    def end(self) -> None:
        """Nothing is taken any more."""
        self._usual_until = NEVER
        self._unusual = _drop

    def fill(self, samples: int) -> None:
        if samples > 0:
            self._audio += self._silence * samples
            self.position += samples
            self.filled += samples


def _drop(lane: _Lane, audio: bytes, now: float) -> None:
    """The recording is over."""


class StereoTimeline:
    """Two lanes of `rate` samples per second since `start`. `left` and `right` are one sample of silence of
    each side, and so say its width: 0xFF for mu-law, 0xD5 for A-law, two zero bytes for PCM."""

    def __init__(self, rate: int, start: float, left: bytes = b"\0\0", right: bytes = b"\0\0") -> None:
        self._rate = rate
        self._left = _Lane(rate, start, left, self._place)
        self._right = _Lane(rate, start, right, self._place)
        self._may_begin_earlier = int(HOLD_S * rate)
        self.write_left = self._left.write
        """`write_left(audio, now)` appends whole samples of the left side; the last was heard now."""
        self.write_right = self._right.write
        """The same for the right side."""

    @property
    def start(self) -> float:
        """The moment of the first sample, which may turn out to have been earlier than was said."""
        return self._left.start

    @property
    def dropped_ms(self) -> float:
        """Audio cut off because its lane was ahead of the clock, both sides together."""
        return (self._left.dropped + self._right.dropped) * 1000 / self._rate

    def doubt_left(self, samples: int) -> None:
        """The last samples of the left side were silence for audio that comes after all, from now on."""
        self._left.doubt(samples)

    def advance(self, now: float) -> None:
        """Fill a side that has been silent for longer than late audio is waited for."""
        for lane in (self._left, self._right):
            lane.fill(lane.lag(now) - int(HOLD_S * self._rate))

    def mute_left(self, before_s: float, after_s: float) -> None:
        """Make silence of so much of the left side's latest audio, and of what it is given next."""
        self._left.mute(int(before_s * self._rate), int(after_s * self._rate))

    def mute_right(self, before_s: float, after_s: float) -> None:
        """The same for the right side."""
        self._right.mute(int(before_s * self._rate), int(after_s * self._rate))

    def take(self, now: float, keep_s: float = 0.0) -> tuple[bytes, bytes]:
        """Equally many samples of both sides: what both have completed and nobody has taken, but for the
        latest `keep_s`, which may still be muted."""
        self.advance(now)
        samples = min(self._left.available, self._right.available) - int(keep_s * self._rate)
        samples = max(samples, 0)
        if samples:
            self._may_begin_earlier = 0
        return self._left.take(samples), self._right.take(samples)

    def finish(self, now: float) -> tuple[bytes, bytes]:
        """The rest of both sides, equally long and filled up to now."""
        lanes = (self._left, self._right)
        end = max(lane.position + max(lane.lag(now), 0) for lane in lanes)
        for lane in lanes:
            lane.fill(end - lane.position)
            lane.end()
        return self._left.take(self._left.available), self._right.take(self._right.available)

    def _place(self, lane: _Lane, audio: bytes, now: float) -> None:
        """Audio that waited until it was read can be older than the recording: that begins earlier then."""
        if self._may_begin_earlier and (surplus := lane.surplus(audio, now)):
            earlier = min(surplus, self._may_begin_earlier)
            self._may_begin_earlier -= earlier
            for each in (self._left, self._right):
                each.begin_earlier(earlier, lead=0 if each is lane else earlier)
        lane.place(audio, now)
