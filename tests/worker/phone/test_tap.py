"""What somebody who listens in gets of both sides."""

from __future__ import annotations

from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.worker.phone.tap import FRAME_MS, MOST_AHEAD_MS, Tap

FRAME = FRAME_MS * ULAW.bytes_per_ms
SILENCE = ULAW.silence * FRAME


class Listener:
    """A tap that is on, and what it told."""

    def __init__(self) -> None:
        self.told: list[tuple[AudioFormat, bytes, bytes]] = []
        self.tap = Tap(lambda law, caller, agent: self.told.append((law, caller, agent)))
        self.tap.switch(True)

    def ticks(self, count: int) -> list[tuple[bytes, bytes]]:
        first = len(self.told)
        for _ in range(count):
            self.tap.tick(ULAW)
        return [(caller, agent) for _, caller, agent in self.told[first:]]


def frame(number: int) -> bytes:
    return bytes([number]) * FRAME


def test_every_tick_tells_a_frame_of_each_side() -> None:
    listener = Listener()
    listener.tap.caller_lane(frame(1), 0.0)
    listener.tap.agent_lane(frame(2), 0.0)
    assert listener.ticks(2) == [(frame(1), frame(2)), (SILENCE, SILENCE)]


def test_a_burst_is_told_frame_by_frame() -> None:
    listener = Listener()
    listener.tap.caller_lane(frame(1) + frame(2) + frame(3)[: FRAME // 2], 0.0)
    caller = [caller for caller, _ in listener.ticks(3)]
    assert caller == [frame(1), frame(2), frame(3)[: FRAME // 2] + SILENCE[: FRAME // 2]]


def test_what_is_too_old_gives_way() -> None:
    listener = Listener()
    most = MOST_AHEAD_MS // FRAME_MS
    listener.tap.caller_lane(b"".join(frame(number) for number in range(most + 5)), 0.0)
    assert listener.ticks(1)[0][0] == frame(5)


def test_who_does_not_listen_is_told_nothing() -> None:
    listener = Listener()
    listener.tap.caller_lane(frame(1), 0.0)
    listener.tap.switch(False)
    assert listener.ticks(3) == []
    listener.tap.switch(True)
    assert listener.ticks(1) == [(SILENCE, SILENCE)]


def test_silence_is_that_of_the_phone_s_law() -> None:
    listener = Listener()
    listener.tap.tick(ALAW)
    assert listener.told == [(ALAW, ALAW.silence * FRAME, ALAW.silence * FRAME)]
