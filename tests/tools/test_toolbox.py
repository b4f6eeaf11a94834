"""Tools as they are carried out: over HTTP, in threads, with deadlines, and left alone when they are down."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sipagent.config import AgentConfig
from sipagent.config.tools import ToolLimitsConfig
from sipagent.tools.outcome import Outcome
from sipagent.tools.request import CallContext
from sipagent.tools.toolbox import Toolbox
from tests.e2e.support.tool_server import Answer, ToolServer, tool_server
from tests.e2e.support.waiting import eventually
from tests.tools import operators_tools

CALL = CallContext("c-1", "receptionist", "carrier", "inbound")
ANYTHING = {"type": "object"}
pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = "tests.tools.operators_tools"


class Rig:
    """A toolbox on a clock of the test's, and an agent with one tool, `it`."""

    def __init__(self, **tools: dict[str, Any]) -> None:
        self.now = 0.0
        self.downs: list[tuple[str, str, bool]] = []
        limits = ToolLimitsConfig(max_running=2)
        self.box = Toolbox(limits, lambda *down: self.downs.append(down), lambda: self.now)
        self.agent = AgentConfig.model_validate(
            {
                "name": "receptionist",
                "backend": {"kind": "echo"},
                "tools": tools,
                "safe_mode_instructions": "x",
            }
        )
        self.bench = self.box.bench(self.agent)

    async def call(self, arguments: dict[str, Any] | None = None, name: str = "it") -> Outcome:
        return await self.box.run(self.bench, self.bench.tools[name], arguments or {}, CALL, "call_7")


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
async def rig_of() -> AsyncIterator[Any]:
    rigs: list[Rig] = []

    def make(**tools: dict[str, Any]) -> Rig:
        rigs.append(Rig(**tools))
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.box.close()


def http(tools: ToolServer, **config: Any) -> dict[str, Any]:
    return {"kind": "http", "url": f"{tools.url}/do", "parameters": ANYTHING} | config


def python(function: str, **config: Any) -> dict[str, Any]:
    return {"kind": "python", "function": f"{HERE}:{function}", "parameters": ANYTHING} | config


# --- HTTP -------------------------------------------------------------------------------------------


async def test_a_request_is_signed_and_its_secrets_come_from_the_environment(tools, rig_of, monkeypatch):
    monkeypatch.setenv("KEY", "k-1")
    monkeypatch.setenv("SIGN", "whsec_" + base64.b64encode(b"seed").decode())
    rig = rig_of(it=http(tools, headers={"X-Key": {"env": "KEY"}}, secret={"env": "SIGN"}))
    assert (await rig.call({"seats": 2})).output == '{"status": "fine"}'
    (asked,) = tools.asked
    assert (asked.method, asked.path, asked.arguments) == ("POST", "/do", {"seats": 2})
    assert asked.headers["x-key"] == "k-1"
    signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    expected = base64.b64encode(hmac.digest(b"seed", signed, hashlib.sha256)).decode()
    assert asked.headers["webhook-signature"] == f"v1,{expected}"


async def test_a_5xx_is_tried_again_under_the_same_key_if_that_does_no_harm(tools, rig_of):
    tools.will(Answer(status=503), Answer(status=500), Answer({"ok": True}))
    assert (await rig_of(it=http(tools, idempotent=True)).call()).kind == "ok"
    assert len({asked.headers["idempotency-key"] for asked in tools.asked}) == 1
    assert len(tools.asked) == 3


async def test_a_tool_that_asks_for_more_time_than_there_is_has_failed(tools, rig_of):
    tools.will(Answer(status=503, headers={"retry-after": "60"}))
    outcome = await rig_of(it=http(tools, idempotent=True, timeout_ms=5000)).call()
    assert (outcome.kind, outcome.detail, len(tools.asked)) == ("failed", "503", 1)


async def test_a_5xx_is_not_tried_again_if_that_might_do_it_twice(tools, rig_of):
    tools.will(Answer(status=503), Answer({"ok": True}))
    outcome = await rig_of(it=http(tools)).call()
    assert (outcome.kind, outcome.detail, len(tools.asked)) == ("failed", "503", 1)


async def test_no_connection_is_tried_again_whatever_the_method(rig_of):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    tool = {"kind": "http", "url": f"http://127.0.0.1:{port}/", "parameters": ANYTHING, "retries": 1}
    outcome = await rig_of(it=tool).call()
    assert outcome.kind == "failed"
    assert "can't be reached" in outcome.output
    assert "Connect" in outcome.detail


async def test_a_refusal_is_told_with_the_tools_own_words(tools, rig_of):
    tools.will(Answer({"why": "fully booked"}, 409))
    outcome = await rig_of(it=http(tools)).call()
    assert outcome.kind == "rejected"
    assert "fully booked" in outcome.output


async def test_an_answer_that_takes_too_long_is_told_as_such(tools, rig_of):
    tools.will(Answer(released=asyncio.Event()))
    outcome = await rig_of(it=http(tools, timeout_ms=100)).call()
    assert outcome.kind == "timeout"
    assert "not known whether" in outcome.output


async def test_redirects_are_not_followed_and_long_answers_are_cut(tools, rig_of):
    rig = rig_of(it=http(tools, max_response_bytes=256))
    tools.will(Answer(None, 307, {"location": f"{tools.url}/elsewhere"}))
    assert (await rig.call()).kind == "failed"
    assert len(tools.asked) == 1
    tools.will(Answer("x" * 100_000))
    outcome = await rig.call()
    assert outcome.output.endswith("[cut off after 256 bytes]")


async def test_proxies_of_the_environment_are_no_concern_of_tools(tools, rig_of, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert (await rig_of(it=http(tools)).call()).kind == "ok"


async def test_a_secret_that_is_gone_is_the_operators_fault(tools, rig_of, monkeypatch):
    monkeypatch.delenv("KEY", raising=False)
    outcome = await rig_of(it=http(tools, headers={"X-Key": {"env": "KEY"}})).call()
    assert "misconfigured" in outcome.output
    assert outcome.detail == "environment variable KEY is not set"


# --- Python -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "arguments", "kind", "words"),
    [
        ("add", {"a": 2, "b": 3}, "ok", '{"sum":5}'),
        ("greet", {"name": "Ann"}, "ok", "Ann in c-1 with receptionist"),
        ("fail", {}, "failed", "out of paper"),
        ("unspeakable", {}, "failed", "the tool has failed"),
        ("gone", {}, "failed", "has no function"),
        ("add", {"c": 3}, "failed", "the tool has failed"),
    ],
)
async def test_functions(rig_of, function, arguments, kind, words):
    outcome = await rig_of(it=python(function)).call(arguments)
    assert outcome.kind == kind
    assert words in outcome.output


async def test_a_function_that_hangs_holds_up_nobody_until_there_are_too_many(rig_of):
    rig = rig_of(it=python("hang", timeout_ms=50), other=python("add"))
    operators_tools.released.clear()
    try:
        assert (await rig.call()).kind == "timeout"
        assert (await rig.call({"a": 1}, "other")).kind == "ok"
        assert (await rig.call()).kind == "timeout"
        assert (await rig.call({"a": 1}, "other")).kind == "busy"
    finally:
        operators_tools.released.set()


# --- how many at once -------------------------------------------------------------------------------


async def test_tools_run_side_by_side_and_no_more_than_may(tools, rig_of):
    rig, gate = rig_of(it=http(tools, timeout_ms=2000), quick=http(tools, timeout_ms=100)), asyncio.Event()
    tools.will(Answer(released=gate))
    running = [asyncio.create_task(rig.call()) for _ in range(2)]
    await eventually(lambda: len(tools.asked) == 2, "both are asked for")
    assert (await rig.call(name="quick")).kind == "busy"
    gate.set()
    assert [(await task).kind for task in running] == ["ok", "ok"]


# --- tools that are down ----------------------------------------------------------------------------

FRAGILE = {"breaker": {"failures": 2, "open_s": 30}, "retries": 0}


async def test_a_tool_that_keeps_failing_is_left_alone_then_tried(tools, rig_of):
    rig = rig_of(it=http(tools, **FRAGILE))
    missing: list[list[str]] = []
    rig.bench.watchers.add(missing.append)
    tools.will(Answer(status=500))
    assert [(await rig.call()).kind for _ in range(3)] == ["failed", "failed", "unavailable"]
    assert len(tools.asked) == 2
    assert (rig.bench.missing(), rig.bench.missing_for_new(29.0)) == (["it"], ["it"])
    assert rig.bench.missing_for_new(30.0) == []

    rig.now = 30.0
    tools.will(Answer({"ok": True}))
    assert (await rig.call()).kind == "ok"
    assert missing == [["it"], []]
    assert rig.downs == [("receptionist", "it", True), ("receptionist", "it", False)]


async def test_what_the_model_did_wrong_is_not_held_against_the_tool(tools, rig_of):
    rig = rig_of(it=http(tools, **FRAGILE))
    tools.will(Answer(status=404))
    assert [(await rig.call()).kind for _ in range(3)] == ["rejected"] * 3


async def test_an_agent_can_do_without_some_tools_but_not_without_essential_ones(tools, rig_of):
    tools.will(Answer(status=500))
    rig = rig_of(it=http(tools, **FRAGILE), vital=http(tools, essential=True, **FRAGILE), other=python("add"))
    for _ in range(2):
        await rig.call()
    assert rig.bench.missing() == []
    for _ in range(2):
        await rig.call(name="vital")
    assert rig.bench.missing() == ["it", "vital"]


async def test_a_tool_that_can_be_asked_for_its_health_comes_back_by_itself(tools, rig_of):
    fragile = {"breaker": {"failures": 1, "open_s": 0.1}, "retries": 0}
    rig = rig_of(it=http(tools, health_url=f"{tools.url}/health", **fragile))
    back = asyncio.Event()
    tools.will(Answer(status=500), Answer(status=500), Answer({"up": True}))
    await rig.call()
    assert rig.bench.missing_for_new(rig.now + 3600) == ["it"]  # no call has to find out
    rig.bench.watchers.add(lambda missing: back.set() if not missing else None)
    async with asyncio.timeout(5):
        await back.wait()
    assert [asked.path for asked in tools.asked] == ["/do", "/health", "/health"]
    assert (await rig.call()).kind == "ok"


async def test_new_tools_of_a_changed_agent_begin_anew(tools, rig_of):
    rig = rig_of(it=http(tools, **FRAGILE))
    same = rig.box.bench(rig.agent.model_copy(update={"instructions": "Other words."}))
    assert same is rig.bench
    changed = rig.agent.model_copy(update={"tools": {}})
    assert rig.box.bench(changed) is not rig.bench
