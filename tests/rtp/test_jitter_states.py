"""The jitter buffer under any order of arrivals, losses, repeats, pauses, restarts and pops."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rtp.jitter import MAX_READY, MAX_WAITING, JitterBuffer
from rtp.packet import RtpPacket
from rtp.params import JitterConfig
from rtp.timeline import MAX_LOSS_S, Hole
from tests.rtp.streams import index_of, speech

pytestmark = pytest.mark.slow

SAMPLES = 160
CONFIG = JitterConfig()


class JitterBufferMachine(RuleBasedStateMachine):
    """A sender numbers its frames without end; the network holds some back, and nobody knows which."""

    @initialize(base=st.integers(0, 0xFFFF), timestamp=st.integers(0, 2**32 - 1))
    def begin(self, base: int, timestamp: int) -> None:
        self.buffer = JitterBuffer(CONFIG)
        self.now = 100.0
        self.base, self.timestamp, self.frames = base, timestamp, 0
        self.in_flight: list[RtpPacket] = []
        self.delivered: list[RtpPacket] = []
        self.heard: list[int] = []

    @rule(count=st.integers(1, 5))
    def send(self, count: int) -> None:
        for _ in range(count):
            sequence, timestamp = self.base + self.frames, self.timestamp + self.frames * SAMPLES
            packet = RtpPacket(0, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 1, speech(self.frames))
            self.in_flight.append(packet)
            self.frames += 1

    @precondition(lambda self: self.in_flight)
    @rule(place=st.integers(0, 3))
    def deliver(self, place: int) -> None:
        packet = self.in_flight.pop(min(place, len(self.in_flight) - 1))
        self.delivered.append(packet)
        self.buffer.push(packet, SAMPLES, self.now)

    @precondition(lambda self: self.in_flight)
    @rule()
    def lose(self) -> None:
        self.in_flight.pop(0)

    @precondition(lambda self: self.delivered)
    @rule(back=st.integers(1, 4))
    def repeat(self, back: int) -> None:
        self.buffer.push(self.delivered[-min(back, len(self.delivered))], SAMPLES, self.now)

    @rule(sequence=st.integers(0, 0xFFFF), timestamp=st.integers(0, 2**32 - 1))
    def restart(self, sequence: int, timestamp: int) -> None:
        """As the receiver does for a new SSRC: what is under way of the old one is not let through."""
        self.base, self.timestamp = sequence - self.frames, timestamp - self.frames * SAMPLES
        self.in_flight.clear()
        self.delivered.clear()
        self.buffer.restart()

    @rule(ms=st.integers(0, 400))
    def wait(self, ms: int) -> None:
        self.now += ms / 1000

    @rule()
    def end_wait(self) -> None:
        self.buffer.end_wait(self.now)
        self.pop()

    @rule()
    def pop(self) -> None:
        for _ in range(2 * MAX_READY):
            piece = self.buffer.pop(self.now)
            if piece is None:
                break
            if isinstance(piece, Hole):
                assert 0 < piece.samples <= (MAX_LOSS_S + self.now - 100.0 + 1) * 8000
            else:
                self.heard.append(index_of(piece))
        else:
            raise AssertionError("pop() never ends")
        due = self.buffer.next_deadline()
        assert due is None or due > self.now, "something is due, but pop() had nothing"

    @invariant()
    def no_frame_twice_and_never_backwards(self) -> None:
        assert all(later > earlier for earlier, later in zip(self.heard, self.heard[1:], strict=False))

    @invariant()
    def bounded(self) -> None:
        assert len(self.buffer._ready) <= MAX_READY
        assert len(self.buffer._waiting) <= MAX_WAITING + 1

    def teardown(self) -> None:
        """Nothing is held for good: after the depth, all that came is out."""
        if hasattr(self, "buffer"):
            self.now += CONFIG.max_ms / 1000
            self.pop()
            assert not self.buffer._waiting
            assert not self.buffer._ready


TestJitterBufferStates = JitterBufferMachine.TestCase
TestJitterBufferStates.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
