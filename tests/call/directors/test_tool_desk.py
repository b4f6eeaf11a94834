"""The tools of one call: every question gets one answer, and none holds up another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from sipagent import events
from sipagent.call.directors.director import Command, PressKeys, Scene
from sipagent.call.directors.tool_desk import ToolDesk
from sipagent.config import AgentConfig
from sipagent.config.tools import ToolLimitsConfig
from sipagent.tools.toolbox import Toolbox
from sipagent.worker.orders import AnswerTool, Inject, Instruct
from tests.e2e.support.tool_server import Answer, ToolServer, tool_server
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANYTHING = {"type": "object"}
OTHER = AgentConfig.model_validate(
    {
        "name": "other",
        "backend": {"kind": "openai_realtime"},
        "tools": {"jot": {"kind": "take_message"}},
    }
)
ID: dict[str, Any] = {"call_id": "c-1", "at": 1.0}


class Desk:
    """A call with its tools; what the desk tells comes back to it, as through the call's inbox."""

    def __init__(self, toolbox: Toolbox, agent: AgentConfig) -> None:
        self.told: list[events.Event] = []
        self.done: list[Command] = []
        self._news = asyncio.Event()
        self.desk = ToolDesk(
            Scene("c-1", "inbound", "carrier", agent, 600.0, self._tell),
            toolbox,
            {"other": OTHER},
            lambda: 3.0,
        )

    def _tell(self, event: events.Event) -> None:
        self.told.append(event)
        self.hear(event)
        self._news.set()

    def hear(self, event: events.Event) -> None:
        self.done += self.desk.on_event(event, 3.0)

    def call(self, name: str, arguments: str = "{}", tool_call_id: str = "") -> None:
        self.hear(events.ToolCalled(**ID, tool_call_id=tool_call_id or name, name=name, arguments=arguments))

    def answers(self) -> dict[str, tuple[str, str | None]]:
        return {
            each.tool_call_id: (each.outcome, each.output)
            for each in self.told
            if isinstance(each, events.ToolAnswered)
        }

    async def answered(self, *tool_call_ids: str) -> None:
        async with asyncio.timeout(5):
            while not set(tool_call_ids) <= self.answers().keys():
                self._news.clear()
                await self._news.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listening() -> AsyncIterator[ToolServer]:
    async with tool_server() as server:
        yield server


@pytest.fixture
def tools(listening: ToolServer) -> ToolServer:
    """The server that all tests share, for it takes its time to stop, as if it were new."""
    listening.asked.clear()
    listening.will(Answer({"status": "fine"}))
    return listening


@pytest_asyncio.fixture(loop_scope="module")
async def desk_of(tools: ToolServer) -> AsyncIterator[Callable[..., Desk]]:
    toolbox, desks = Toolbox(ToolLimitsConfig(max_running_per_call=2)), []

    def make(**more: Any) -> Desk:
        web = {"kind": "http", "url": f"{tools.url}/book", "parameters": ANYTHING, "retries": 0}
        web["breaker"] = {"failures": 2, "open_s": 60}
        declared = {
            "book": web | {"essential": True},
            "hang_up": {"kind": "hang_up"},
            "press": {"kind": "send_dtmf"},
            "note": {"kind": "take_message"},
        }
        agent = {
            "name": "bot",
            "backend": {"kind": "openai_realtime"},
            "instructions": "Usual.",
            "safe_mode_instructions": "Careful.",
            "tools": declared,
        }
        desks.append(Desk(toolbox, AgentConfig.model_validate(agent | more)))
        return desks[-1]

    yield make
    for desk in desks:
        desk.desk.close()
    await toolbox.close()


async def test_an_answer_goes_to_the_model_once(tools, desk_of):
    desk = desk_of()
    desk.call("book", '{"seats": 2}')
    desk.call("book", '{"seats": 2}')
    await desk.answered("book")
    assert desk.done == [AnswerTool(call_id="c-1", tool_call_id="book", output='{"status": "fine"}')]
    (asked,) = tools.asked
    assert (asked.arguments, asked.headers["sipagent-call-id"]) == ({"seats": 2}, "c-1")
    (told,) = desk.told
    assert (told.duration_ms, told.detail) == (2000.0, "200")


async def test_tools_run_side_by_side_up_to_a_number(tools, desk_of):
    gate = asyncio.Event()
    tools.will(Answer({"n": 1}, released=gate))
    desk = desk_of()
    for n in range(3):
        desk.call("book", tool_call_id=f"t{n}")
    assert desk.answers()["t2"][0] == "busy"
    await eventually(lambda: len(tools.asked) == 2, "two of them run")
    gate.set()
    await desk.answered("t0", "t1")
    assert desk.answers()["t0"] == ("ok", '{"n": 1}')


@pytest.mark.parametrize(
    ("name", "arguments", "outcome", "words"),
    [
        ("fly", "{}", "unknown", "there are: book, hang_up, note, press"),
        ("press", '{"digits": "12x"}', "invalid", "does not match"),
        ("note", "{}", "invalid", "'message' is a required property"),
        ("book", "{", "invalid", "not JSON"),
    ],
)
async def test_a_mistake_is_told_in_words(desk_of, name, arguments, outcome, words):
    desk = desk_of()
    desk.call(name, arguments)
    kind, output = desk.answers()[name]
    assert kind == outcome
    assert words in json.loads(output)["error"]


async def test_keys_are_pressed_once_somebody_has_answered(desk_of):
    desk = desk_of()
    desk.call("press", '{"digits": "12#"}')
    assert desk.answers()["press"][0] == "failed"
    desk.hear(events.CallAnswered(**ID, codec="PCMU"))
    desk.call("press", '{"digits": "12#"}', "again")
    assert PressKeys(digits="12#") in desk.done
    assert desk.answers()["again"][0] == "ok"


async def test_a_message_is_told(desk_of):
    desk = desk_of()
    desk.call("note", '{"message": "Call back", "caller_name": "Ann"}')
    taken = desk.told[0]
    assert isinstance(taken, events.MessageTaken)
    assert taken.fields == {"message": "Call back", "caller_name": "Ann"}
    assert desk.answers()["note"][0] == "ok"


async def test_what_leads_out_of_the_call_is_not_answered_here(desk_of):
    desk = desk_of()
    desk.call("hang_up")
    assert (desk.told, desk.done) == ([], [])


async def test_a_defect_of_ours_is_answered_as_well(desk_of, monkeypatch):
    desk = desk_of()

    async def defect(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk.desk._toolbox, "run", defect)
    desk.call("book")
    await desk.answered("book")
    assert desk.answers()["book"][0] == "failed"


async def test_the_end_of_the_call_answers_what_is_open(tools, desk_of):
    tools.will(Answer(released=asyncio.Event()))
    desk = desk_of()
    desk.call("book")
    desk.desk.close()
    desk.desk.close()
    assert desk.answers() == {"book": ("call_ended", None)}
    assert desk.done == []


async def test_a_session_that_came_meanwhile_is_told_in_words(tools, desk_of):
    gate = asyncio.Event()
    tools.will(Answer({"table": 7}, released=gate))
    desk = desk_of()
    desk.call("book")
    desk.hear(events.BackendReplaced(**ID, agent="bot", ready_ms=1.0))
    gate.set()
    await desk.answered("book")
    (command,) = desk.done
    assert isinstance(command, Inject)
    assert command.respond
    assert '{"table": 7}' in command.text


async def test_what_a_lost_session_waited_for_is_handed_over_by_others(tools, desk_of):
    gate = asyncio.Event()
    tools.will(Answer({"table": 7}, released=gate))
    desk = desk_of()
    desk.call("book")
    desk.hear(events.BackendDown(**ID, agent="bot", code="gone", message="gone", fatal=False))
    desk.hear(events.BackendReplaced(**ID, agent="bot", ready_ms=1.0))
    gate.set()
    await desk.answered("book")
    assert not [command for command in desk.done if isinstance(command, Inject)]


async def test_another_agent_has_other_tools(desk_of):
    desk = desk_of()
    desk.hear(events.BackendReplaced(**ID, agent="other", ready_ms=1.0))
    desk.call("note", '{"message": "Hi"}')
    desk.call("jot", '{"message": "Hi"}')
    assert [kind for kind, _ in desk.answers().values()] == ["unknown", "ok"]


async def test_an_essential_tool_that_is_down_changes_the_instructions_of_every_call(tools, desk_of):
    desk, other = desk_of(), desk_of()
    tools.will(Answer(status=500))
    for n in range(2):
        desk.call("book", tool_call_id=f"t{n}")
    await desk.answered("t0", "t1")
    careful = Instruct(call_id="c-1", instructions="Careful.")
    assert careful in desk.done
    assert other.done == [careful]
    late = desk_of()
    late.hear(events.LegReady(**ID, ready_ms=1.0))
    assert late.done == [careful]
    late.hear(events.BackendReplaced(**ID, agent="bot", ready_ms=1.0))
    assert late.done == [careful, careful]

    other.desk._bench.tools["book"].breaker.succeeded()
    other.desk._bench.tell_watchers()
    usual = Instruct(call_id="c-1", instructions="Usual.")
    assert other.done[-1] == desk.done[-1] == late.done[-1] == usual


async def test_an_agent_without_other_instructions_keeps_its_own(tools, desk_of):
    desk = desk_of(safe_mode_instructions=None)
    tools.will(Answer(status=500))
    for n in range(2):
        desk.call("book", tool_call_id=f"t{n}")
    await desk.answered("t0", "t1")
    assert not [command for command in desk.done if isinstance(command, Instruct)]
