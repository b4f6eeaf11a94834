"""Who has the floor, where that is ours to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rtp.activity import Burst
from sipagent.config import AgentConfig
from sipagent.worker.agent.turns import Turns

FRAME = 160
LOUD = (4000 * np.sin(np.arange(FRAME))).astype("<i2").tobytes()
QUIET = bytes(2 * FRAME)


class FloorPlan:
    """Notes what turns do."""

    def __init__(self) -> None:
        self.agent_speaks = True
        self.is_firm = False
        self.done: list[object] = []

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        self.done.append("resume")

    def interrupt(self, now: float) -> None:
        self.done.append("interrupt")

    def end_turn(self, item_id: str, was_speech: bool) -> None:
        self.done.append((item_id, was_speech))


class Caller:
    """A caller on a line that is listened to."""

    def __init__(self, story: dict[str, Any] | None = None, **barge_in: Any) -> None:
        keys = {"barge_in": barge_in, "story": story or {}, "backend": {"kind": "openai_realtime"}}
        self.floor = FloorPlan()
        self.turns = Turns(AgentConfig.model_validate({"name": "a", **keys}), self.floor)
        self.burst = Burst()

    def hear(self, frame: bytes, times: int) -> list[object]:
        for _ in range(times):
            self.burst.feed(frame)
            self.turns.look(self.burst, None, now=1.0)
        return self.done()

    def done(self) -> list[object]:
        done, self.floor.done = self.floor.done, []
        return done

    def started(self) -> list[object]:
        self.turns.started(1.0)
        return self.done()

    def stopped(self) -> list[object]:
        self.turns.stopped("c1")
        return self.done()


def test_by_default_whatever_the_server_hears_interrupts() -> None:
    caller = Caller()
    assert caller.started() == ["interrupt"]
    assert caller.turns.caller_speaks
    assert caller.stopped() == []
    assert not caller.turns.caller_speaks


def test_it_takes_so_much_speech() -> None:
    caller = Caller(min_speech_ms=300)
    caller.hear(LOUD, 5)
    assert caller.started() == ["pause"]
    assert caller.hear(LOUD, 9) == []
    assert caller.hear(LOUD, 1) == ["interrupt", "resume"]
    assert caller.stopped() == [("c1", True)]


def test_less_is_forgotten_and_the_agent_goes_on() -> None:
    caller = Caller(min_speech_ms=300)
    caller.hear(LOUD, 5)
    assert caller.started() == ["pause"]
    assert caller.hear(QUIET, 10) == ["resume"]
    assert caller.stopped() == [("c1", False)]
    assert caller.turns.false_starts == 1


def test_who_goes_on_after_all_is_doubted_again_and_believed() -> None:
    caller = Caller(min_speech_ms=300)
    caller.hear(LOUD, 5)
    caller.started()
    caller.hear(QUIET, 10)
    assert caller.hear(LOUD, 10) == ["pause", "interrupt", "resume"]
    assert caller.stopped() == [("c1", True)]


def test_a_short_answer_to_a_silent_agent_counts() -> None:
    caller = Caller(min_speech_ms=300)
    caller.floor.agent_speaks = False
    assert caller.started() == ["interrupt", "resume"]
    assert caller.stopped() == [("c1", True)]


def test_the_servers_end_of_it_resumes_an_agent_in_doubt() -> None:
    caller = Caller(min_speech_ms=300)
    caller.started()
    assert caller.stopped() == ["resume", ("c1", False)]


@pytest.mark.parametrize(
    ("keys", "is_firm"),
    [({"enabled": False}, False), ({"story": {"greeting_interruptible": False}}, True)],
)
def test_who_may_not_interrupt_is_answered_all_the_same(keys: dict[str, Any], is_firm: bool) -> None:
    caller = Caller(**keys)
    caller.floor.is_firm = is_firm
    assert caller.started() == []
    assert caller.hear(LOUD, 50) == []
    assert caller.stopped() == [("c1", True)]


def test_another_backend_begins_anew() -> None:
    caller = Caller(min_speech_ms=300)
    caller.started()
    caller.turns.reset()
    assert caller.done() == ["resume"]
    assert not caller.turns.caller_speaks
