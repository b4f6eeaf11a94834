"""Tools of a model on the telephone: called over HTTP, answered once, and done without when they are down."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from standardwebhooks import Webhook

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Call, Mcp, Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer, ServedSession
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, tones
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import SIPAGENT, running
from tests.e2e.support.tool_server import Answer, ToolServer, tool_server
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

KEY = base64.b64encode(b"a key of thirty-two bytes or so..").decode()
SEATS = {"type": "object", "properties": {"seats": {"type": "integer"}}, "required": ["seats"]}
DONE_MS = 600
DONE = Turn(reply=[Pattern(pattern_ms=DONE_MS, number=2)])


@pytest.fixture
async def tools(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ToolServer]:
    monkeypatch.setenv("TOOL_KEY", f"whsec_{KEY}")
    async with tool_server() as server:
        yield server


def script(*turns: Turn) -> RealtimeOptions:
    return RealtimeOptions(script=turns, obedient=False, reply_delay_ms=50)


def web(tools: ToolServer, **config: Any) -> dict[str, Any]:
    return {
        "kind": "http",
        "url": f"{tools.url}/book",
        "parameters": SEATS,
        "secret": {"env": "TOOL_KEY"},
    } | config


async def speak(caller: Phone) -> None:
    """Say something that the model takes for a turn."""
    await caller.say(audio.signal(9, 400, ULAW))


def outputs(session: ServedSession) -> dict[str, Any]:
    """What the model was told, by the name of the tool."""
    names = {
        event["item"]["call_id"]: event["item"]["name"]
        for event in session.log.events("out", "response.output_item.done")
        if event["item"]["type"] == "function_call"
    }
    return {
        names[event["item"]["call_id"]]: json.loads(event["item"]["output"])
        for event in session.log.events("in", "conversation.item.create")
        if event["item"]["type"] == "function_call_output"
    }


def requests(session: ServedSession) -> list[Mapping[str, Any]]:
    return session.log.events("in", "response.create")


async def test_what_an_mcp_server_did_for_the_model_is_on_record(setup: SetupFactory) -> None:
    """The model's host runs those tools: the session names the server, and the call goes on by itself."""
    used = Mcp(mcp="docs", tool="search", arguments={"q": "hours"}, output="9-17")
    failed = Mcp(mcp="docs", tool="search", arguments={"q": "prices"}, error="no such page")
    agent = {"tools": {"docs": {"kind": "mcp", "server_url": "https://mcp.test.invalid/"}}}
    async with (
        RealtimeServer(script(Turn(reply=[used, failed, *DONE.reply]))) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        await speak(caller)
        await caller.hear_speech(DONE_MS)
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions

    declared = session.log.events("in", "session.update")[0]["session"]["tools"]
    assert [(tool["type"], tool["server_label"]) for tool in declared] == [("mcp", "docs")]
    first, second = record["tools"]
    assert (first["server"], first["name"], first["outcome"], first["output"]) == (
        "docs",
        "search",
        "ok",
        "9-17",
    )
    assert json.loads(first["arguments"]) == {"q": "hours"}
    assert (second["outcome"], second["detail"]) == ("failed", "tool_execution_error: no such page")
    assert requests(session) == []
    assert not session.log.events("out", "error")


async def test_two_tools_at_once_and_one_answer_of_the_models(setup: SetupFactory, tools: ToolServer) -> None:
    """One fails at first and is slow, one is quick; the model goes on when both have answered."""
    asks = Turn(
        reply=[Call(call="book", arguments={"seats": 2}), Call(call="add", arguments={"a": 2, "b": 3})]
    )
    add = {
        "kind": "python",
        "function": "tests.tools.operators_tools:add",
        "parameters": {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
    }
    tools.will(Answer(status=503), Answer({"table": 7}, delay_s=0.5))
    agent = {"tools": {"book": web(tools, idempotent=True), "add": add}}
    async with (
        RealtimeServer(script(asks, DONE)) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        await speak(caller)
        await caller.hear_speech(DONE_MS)
        await caller.hang_up()
        record = await server.next_record()
        metrics = await server.metrics()
        (session,) = model.sessions

    assert outputs(session) == {"book": {"table": 7}, "add": {"sum": 5}}
    assert len(requests(session)) == 1
    first, second = tools.asked
    assert first.arguments == second.arguments == {"seats": 2}
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.headers["sipagent-call-id"] == record["call_id"]
    Webhook(KEY).verify(second.body, second.headers)
    told = {use["name"]: (use["outcome"], json.loads(use["output"])) for use in record["tools"]}
    assert told == {"book": ("ok", {"table": 7}), "add": ("ok", {"sum": 5})}
    assert metrics['sipagent_tool_call_seconds_count{outcome="ok",tool="book"}'] == 1
    assert not session.log.events("out", "error")


async def test_what_goes_wrong_is_told_and_answered_once(setup: SetupFactory, tools: ToolServer) -> None:
    """Arguments that don't fit, a tool that doesn't exist, one that is too late, and the end of the call."""
    asks = Turn(
        reply=[
            Call(call="book", arguments={"seats": "two"}),
            Call(call="fly"),
            Call(call="late", arguments={"seats": 2}),
            Call(call="never", arguments={"seats": 2}),
        ]
    )
    tools.will(Answer(released=asyncio.Event()))
    agent = {
        "tools": {
            "book": web(tools),
            "late": web(tools, timeout_ms=200),
            "never": web(tools, timeout_ms=60_000),
        }
    }
    async with (
        RealtimeServer(script(asks, DONE)) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        await speak(caller)
        await server.wait_log("tool_answered", outcome="timeout")
        await caller.hang_up()
        record = await server.next_record()
        (session,) = model.sessions

    outcomes = {use["name"]: use["outcome"] for use in record["tools"]}
    assert outcomes == {"book": "invalid", "fly": "unknown", "late": "timeout", "never": "call_ended"}
    said = {name: output["error"] for name, output in outputs(session).items()}
    assert "'two' is not of type 'integer'" in said["book"]
    assert "there are: book, late, never" in said["fly"]
    assert "in time" in said["late"]
    assert "never" not in said
    assert requests(session) == []


async def test_a_slow_tool_is_bridged_by_a_filler(
    setup: SetupFactory, tools: ToolServer, tmp_path: Any
) -> None:
    """It is heard while the tool takes its time, and gives way to the agent."""
    gate = asyncio.Event()
    tools.will(Answer({"table": 7}, released=gate))
    music = tones.wav(tmp_path / "music.wav", hz=440, ms=400)
    agent = {
        "tools": {"book": web(tools)},
        "story": {"filler": {"file": str(music), "after_ms": 200}},
    }
    async with (
        RealtimeServer(script(Turn(reply=[Call(call="book", arguments={"seats": 2})]), DONE)) as model,
        running(setup(model.url, agent=agent), spare_threads=2) as server,
        call(server.setup) as caller,
    ):
        await speak(caller)
        await caller.hear_speech(1000)
        heard = audio.samples(caller.speech_heard(), "PCMU")
        gate.set()
        done = audio.signal(2, DONE_MS, ULAW)
        await caller.hear(lambda: done in caller.speech_heard())
        await caller.hang_up()
        await server.next_record()
    assert abs(audio.pitch_hz(heard[:6400]) - 440) < 5
    assert caller.speech_heard().endswith(done)


async def test_essential_tools_that_are_down_change_what_the_agent_is_told(
    setup: SetupFactory, tools: ToolServer
) -> None:
    """The call that finds out, and one that begins after; both have their usual instructions back later."""
    asks = Turn(reply=[Call(call="book", arguments={"seats": 2})])
    gate = asyncio.Event()
    tools.will(Answer(status=500), Answer(released=gate))
    fragile = {"essential": True, "retries": 0, "breaker": {"failures": 1, "open_s": 0.3}}
    health = {"health_url": f"{tools.url}/health"}
    agent = {
        "instructions": "As usual.",
        "safe_mode_instructions": "Take messages.",
        "tools": {"book": web(tools, **fragile, **health)},
    }

    def instructions(session: ServedSession) -> list[str]:
        updates = session.log.events("in", "session.update")
        return [update["session"]["instructions"] for update in updates]

    async with (
        RealtimeServer(script(asks, DONE)) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        await speak(caller)
        await server.wait_log("safe_mode_entered")
        async with call(server.setup) as other:
            await server.wait_log("safe_mode_entered", count=2)
            first, second = model.sessions
            for session in (first, second):
                await eventually(lambda s=session: len(instructions(s)) == 2, "safe mode")
            assert (await server.metrics())['sipagent_tool_down{agent="receptionist",tool="book"}'] == 1
            gate.set()
            await server.wait_log("safe_mode_left", count=2)
            for session in (first, second):
                await eventually(lambda s=session: len(instructions(s)) == 3, "the usual")
            await other.hang_up()
        await caller.hang_up()
        records = await server.next_records(2)
        assert instructions(first) == instructions(second) == ["As usual.", "Take messages.", "As usual."]
        assert all(record["safe_modes"][0]["tools"] == ["book"] for record in records)
        assert (await server.metrics())['sipagent_tool_down{agent="receptionist",tool="book"}'] == 0


async def test_a_message_and_keys(setup: SetupFactory, tools: ToolServer) -> None:
    asks = Turn(
        reply=[
            Call(call="note", arguments={"message": "Call me", "caller_name": "Ann"}),
            Call(call="press", arguments={"digits": "12#"}),
        ]
    )
    agent = {"tools": {"note": {"kind": "take_message"}, "press": {"kind": "send_dtmf"}}}
    async with (
        RealtimeServer(script(asks, DONE)) as model,
        running(setup(model.url, agent=agent)) as server,
        call(server.setup) as caller,
    ):
        await speak(caller)
        await caller.hear_speech(DONE_MS)
        await caller.hang_up()
        record = await server.next_record()
    (message,) = record["messages"]
    assert message["fields"] == {"message": "Call me", "caller_name": "Ann"}
    (sent,) = record["digits_sent"]
    assert sent["digits"] == "12#"


async def test_a_tool_is_tried_from_the_command_line(setup: SetupFactory, tools: ToolServer) -> None:
    config = setup("ws://127.0.0.1:1", agent={"tools": {"book": web(tools, retries=0)}}).config

    async def tried(arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(SIPAGENT, "tools", "test", "receptionist", "book", arguments, "-c", config),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    status, out = await tried('{"seats": 2}')
    assert (status, tools.asked[0].arguments) == (0, {"seats": 2}), out
    assert out.startswith("ok")
    assert '{"status": "fine"}' in out
    status, out = await tried('{"seats": "two"}')
    assert status == 1
    assert "'two' is not of type 'integer'" in out
    assert len(tools.asked) == 1
