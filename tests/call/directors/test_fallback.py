"""What is done about a lost model, second by second."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sipagent import events
from sipagent.call.directors.director import Command, HangUp, Scene, Transfer
from sipagent.call.directors.fallback import COMFORT, GO_ON, Fallback
from sipagent.call.directors.history import History
from sipagent.call.directors.rollover import Rollover
from sipagent.config import AgentConfig
from sipagent.conversation import Said
from sipagent.errors import EndReason
from sipagent.worker.orders import Inject, PlayPrompt, Recall, StopPrompt, UseBackend, agent_config
from tests.call.stories import CALL_ID, agent_spoke, answered, caller_spoke, ready, said

DOWN = events.BackendDown(call_id=CALL_ID, at=110.0, agent="bot", code="1006", message="gone", fatal=False)
FATAL = events.BackendDown(
    call_id=CALL_ID, at=110.0, agent="bot", code="401", message="no such key", fatal=True
)


def agent(name: str = "reception", **keys: Any) -> AgentConfig:
    return AgentConfig.model_validate({"name": name, "backend": {"kind": "openai_realtime"}} | keys)


def not_replaced(fatal: bool = False) -> events.BackendNotReplaced:
    return events.BackendNotReplaced(
        call_id=CALL_ID, at=111.0, agent="reception", code="503", message="busy", fatal=fatal
    )


def replaced(name: str = "reception", expires_at: float | None = None) -> events.BackendReplaced:
    return events.BackendReplaced(call_id=CALL_ID, at=111.0, agent=name, ready_ms=5, expires_at=expires_at)


class Stage:
    """A director with its history, and what both came to."""

    def __init__(self, *steps: dict[str, Any], kind: str = "fallback", tries: int = 3, **keys: Any) -> None:
        self.told: list[events.Event] = []
        self.now = 110.0
        first = agent(fallback={"reconnect_tries": tries, "steps": list(steps)}, **keys)
        machine = AgentConfig.model_validate({"name": "machine", "backend": {"kind": "voicemail"}})
        agents = {each.name: each for each in (agent("spare"), machine)}
        scene = Scene(
            call_id=CALL_ID,
            direction="inbound",
            trunk="pbx",
            agent=first,
            tell=self.told.append,
            max_duration_s=3600,
        )
        self.history = History()
        self.director: Fallback | Rollover
        if kind == "fallback":
            self.director = Fallback(scene, agents, self.history)
        else:
            self.director = Rollover(scene, agents, self.history, unix_offset_s=1e9)

    def on(self, *story: events.Event) -> list[Command]:
        commands: list[Command] = []
        for event in story:
            self.history.on_event(event, self.now)
            commands += self.director.on_event(event, self.now)
        return commands

    def wait(self) -> list[Command]:
        due = self.director.next_timer()
        assert due is not None
        self.now = due
        return list(self.director.on_timer(self.now))

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(each.step, each.outcome) for each in self.told if isinstance(each, events.FallbackTaken)]


def kinds(commands: Iterable[Command]) -> list[type[Any]]:
    return [type(command) for command in commands]


def used(commands: Iterable[Command]) -> list[str]:
    return [agent_config(command.agent).name for command in commands if isinstance(command, UseBackend)]


def test_a_lost_session_is_opened_again_at_once_behind_a_filler() -> None:
    stage = Stage()
    spoken = [*agent_spoke("i1", 101, 102), said("agent", "i1", "Good day."), *caller_spoke("i2", 103, 104)]
    filler, use = stage.on(*spoken, said("caller", "i2", "Hello?"), DOWN)
    assert isinstance(filler, PlayPrompt)
    assert (filler.file, filler.repeat, filler.over) == (COMFORT, True, True)
    assert isinstance(use, UseBackend)
    assert use.history == [Said(role="agent", text="Good day."), Said(role="caller", text="Hello?")]
    assert (use.at_once, use.greet) == (True, False)
    (go_on,) = stage.on(replaced())
    assert go_on == Inject(call_id=CALL_ID, text=GO_ON, respond=True)
    assert stage.steps == [("reconnect", "taken")]
    (stop,) = stage.on(agent_spoke("i3", 112, 113)[0])
    assert isinstance(stop, StopPrompt)


def test_an_agent_that_had_finished_waits_for_the_caller() -> None:
    stage = Stage()
    stage.on(*agent_spoke("i1", 101, 102), said("agent", "i1", "Good day."), DOWN)
    assert kinds(stage.on(replaced())) == [StopPrompt]


def test_the_next_one_hears_of_the_last_words_when_they_have_been_played() -> None:
    stage = Stage()
    started, ended = agent_spoke("i1", 109, 112)
    words = events.Transcript(
        call_id=CALL_ID, at=110, role="agent", item_id="i1", text="a b c", is_partial=True
    )
    _, use = stage.on(started, words, DOWN)
    assert isinstance(use, UseBackend)
    assert (use.history, use.greet) == ([], False)
    assert stage.on(replaced()) == []
    recall, go_on = stage.on(ended)
    assert recall == Recall(call_id=CALL_ID, history=[Said(role="agent", text="a b c —")])
    assert isinstance(go_on, Inject)


def test_tries_are_further_and_further_apart_then_the_call_ends() -> None:
    stage = Stage(tries=4)
    stage.on(DOWN)
    waits = []
    for _ in range(3):
        began = stage.now
        assert stage.on(not_replaced()) == []
        assert used(stage.wait()) == ["reception"]
        waits.append(stage.now - began)
    assert waits == [0.25, 0.5, 1.0]
    assert stage.on(not_replaced()) == [HangUp(reason=EndReason.BACKEND_LOST, detail="503: busy")]
    assert stage.steps == [("reconnect", "failed")] * 4


def test_an_error_that_no_try_helps_against_goes_straight_to_the_steps() -> None:
    stage = Stage({"agent": "spare"})
    commands = stage.on(FATAL)
    assert used(commands) == ["spare"]
    assert stage.director.next_timer() is None
    stage.on(replaced("spare"))
    assert stage.steps == [("agent spare", "taken")]
    assert used(stage.on(DOWN)) == ["spare"]  # which is what is reconnected from now on


def test_steps_are_tried_in_order() -> None:
    stage = Stage({"agent": "spare"}, {"prompt": "/p.wav"}, {"transfer": "sales"}, {"goodbye": "/g.wav"})
    stage.on(FATAL)
    stop, play = stage.on(not_replaced())
    assert isinstance(stop, StopPrompt)
    assert isinstance(play, PlayPrompt)
    assert play.file == "/p.wav"
    ended = events.PromptEnded(
        call_id=CALL_ID, at=112, prompt_id=play.prompt_id, completed=False, detail="No such file"
    )
    assert stage.on(ended) == [Transfer(target="sales", is_configured=True)]
    failed = events.TransferFailed(call_id=CALL_ID, at=113, target="sales", detail="486")
    (goodbye,) = stage.on(failed)
    assert isinstance(goodbye, PlayPrompt)
    played = events.PromptEnded(call_id=CALL_ID, at=114, prompt_id=goodbye.prompt_id, completed=True)
    assert kinds(stage.on(played)) == [HangUp]
    assert stage.steps == [
        ("agent spare", "failed"),
        ("prompt /p.wav", "failed"),
        ("transfer sales", "failed"),
        ("goodbye /g.wav", "taken"),
    ]


def test_a_machine_greets_and_knows_nothing() -> None:
    stage = Stage({"voicemail": "machine"})
    *_, use = stage.on(*agent_spoke("i1", 101, 102), FATAL)
    assert isinstance(use, UseBackend)
    assert use.greet
    assert kinds(stage.on(replaced("machine"))) == [StopPrompt]


def test_a_call_in_other_hands_needs_no_model_until_it_comes_back() -> None:
    stage = Stage()
    started = events.TransferStarted(call_id=CALL_ID, at=105, target="sales", to_number="+1", how="bridge")
    assert stage.on(started, DOWN) == []
    back = events.TransferFailed(call_id=CALL_ID, at=120, target="sales", detail="busy")
    assert kinds(stage.on(back)) == [PlayPrompt, UseBackend]


def test_a_tool_that_answers_a_dead_session_is_told_to_the_next() -> None:
    stage = Stage()
    called = events.ToolCalled(call_id=CALL_ID, at=105, tool_call_id="t1", name="find", arguments="{}")
    stage.on(called, DOWN, replaced())
    answer = events.ToolAnswered(
        call_id=CALL_ID, at=112, tool_call_id="t1", name="find", outcome="ok", duration_ms=9, output="42"
    )
    assert kinds(stage.on(answer)) == [Recall, Inject]


def failed() -> events.LegFailed:
    return events.LegFailed(
        call_id=CALL_ID, at=100.1, sip_status=503, reason_code="backend_unreachable", detail="refused"
    )


def before_the_answer(stage: Stage) -> AgentConfig | None:
    assert isinstance(stage.director, Fallback)
    return stage.director.instead_of(failed())


def test_another_agent_answers() -> None:
    stage = Stage({"agent": "spare"})
    other = before_the_answer(stage)
    assert other is not None
    assert other.name == "spare"
    assert stage.on(ready(), answered()) == []
    assert stage.steps == [("agent spare", "taken")]


def test_other_steps_are_taken_once_the_call_is_answered() -> None:
    stage = Stage({"transfer": "sales"})
    assert before_the_answer(stage) is not None
    assert isinstance(stage.director, Fallback)
    assert stage.director.answers_alone
    assert stage.on(ready()) == []
    assert kinds(stage.on(answered())) == [PlayPrompt, Transfer]


def test_without_steps_nobody_answers() -> None:
    stage = Stage()
    assert before_the_answer(stage) is None
    assert stage.steps == []


@pytest.mark.parametrize(
    ("expires_in_s", "max_session_s", "due_in_s"),
    [(3600.0, None, 3300.0), (None, 3300, 3000.0), (3600.0, 100, 80.0), (None, None, None)],
)
def test_a_session_is_replaced_in_time(
    expires_in_s: float | None, max_session_s: int | None, due_in_s: float | None
) -> None:
    backend = {"kind": "openai_realtime", "max_session_s": max_session_s}
    stage = Stage(kind="rollover", backend=backend)
    expires_at = None if expires_in_s is None else 1e9 + stage.now + expires_in_s
    stage.on(events.LegReady(call_id=CALL_ID, at=stage.now, ready_ms=1, expires_at=expires_at))
    due = stage.director.next_timer()
    assert due == (None if due_in_s is None else pytest.approx(stage.now + due_in_s))


def test_a_fresh_session_waits_for_its_moment_and_learns_what_was_said_meanwhile() -> None:
    stage = Stage(kind="rollover")
    stage.on(events.LegReady(call_id=CALL_ID, at=110, ready_ms=1), *caller_spoke("i1", 111, 112))
    stage.on(said("caller", "i1", "Hello"))
    (use,) = stage.wait()
    assert isinstance(use, UseBackend)
    assert not use.at_once
    assert use.history == [Said(role="caller", text="Hello")]
    stage.on(*agent_spoke("i2", 113, 114), said("agent", "i2", "Good day."))
    assert stage.on(replaced()) == [Recall(call_id=CALL_ID, history=[Said(role="agent", text="Good day.")])]
    assert [type(each) for each in stage.told] == [events.SessionRolledOver]
    assert stage.director.next_timer() is not None


def test_a_fresh_session_that_is_not_to_be_had_is_tried_again() -> None:
    stage = Stage(kind="rollover")
    stage.on(events.LegReady(call_id=CALL_ID, at=110, ready_ms=1))
    stage.wait()
    stage.on(not_replaced())
    assert used(stage.wait()) == ["reception"]
    assert stage.told == []


def test_a_step_is_one_thing() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        agent(fallback={"steps": [{"agent": "a", "prompt": str(Path("b"))}]})


REHOMED = events.LegRehomed(
    call_id=CALL_ID, at=110.0, cause="died", gap_ms=40, uncounted_ms=300, from_worker=0, to_worker=2
)


def test_a_session_lost_with_its_worker_is_opened_anew_whatever_is_configured() -> None:
    stage = Stage(tries=0)
    stage.on(*agent_spoke("i1", 101, 102), said("agent", "i1", "Good day."))
    filler, use = stage.on(REHOMED)
    assert isinstance(filler, PlayPrompt)
    assert isinstance(use, UseBackend)
    assert (use.at_once, use.history) == (True, [Said(role="agent", text="Good day.")])
    stage.on(replaced())
    assert stage.steps == [("reconnect", "taken")]


def test_a_session_that_was_on_its_way_is_not_asked_for_twice() -> None:
    stage = Stage()
    assert used(stage.on(DOWN)) == ["reception"]
    assert used(stage.on(REHOMED)) == []
