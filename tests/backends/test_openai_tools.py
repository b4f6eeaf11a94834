"""An agent's tools in its session, and keys that are not the model's to hear one by one."""

from __future__ import annotations

from typing import Any

from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import TypeAdapter

from sipagent.backends.base import McpToolUsed, ProblemReported

SCHEMA = {"type": "object", "properties": {"seats": {"type": "integer"}}, "required": ["seats"]}
TOOLS: dict[str, Any] = {
    "book": {"kind": "http", "url": "https://x/", "description": "Book.", "parameters": SCHEMA},
    "hang_up": {"kind": "hang_up", "description": "End it."},
    "transfer": {"kind": "transfer", "targets": ["sales", "support"]},
    "docs": {
        "kind": "mcp",
        "server_url": "https://mcp.example/sse",
        "authorization": {"env": "MCP_KEY"},
        "allowed_tools": ["search"],
    },
}


def test_tools_are_declared_as_functions_and_mcp_servers(new_talk, monkeypatch):
    monkeypatch.setenv("MCP_KEY", "secret")
    talk = new_talk(ready=False, tools=TOOLS)
    talk.hear({"type": "session.created", "session": {}})
    (update,) = talk.sent()
    session = update["session"]
    TypeAdapter(RealtimeSessionCreateRequest).validate_python(session)
    book, hang_up, transfer, docs = session["tools"]
    assert book == {"type": "function", "name": "book", "description": "Book.", "parameters": SCHEMA}
    assert hang_up["parameters"]["properties"] == {}
    assert transfer["parameters"]["properties"]["target"]["enum"] == ["sales", "support"]
    assert docs == {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://mcp.example/sse",
        "authorization": "secret",
        "allowed_tools": ["search"],
        "require_approval": "never",
    }
    assert session["tool_choice"] == "auto"


def test_without_tools_nothing_is_said_of_them(new_talk):
    talk = new_talk(ready=False)
    talk.hear({"type": "session.created", "session": {}})
    assert "tools" not in talk.sent()[0]["session"]


def test_keys_that_are_collected_are_not_told_one_by_one(new_talk):
    talk = new_talk(story={"digits": {"kind": "collect"}})
    talk.sent()
    talk.protocol.send_digit("5")
    assert talk.sent() == []


def test_tools_that_the_host_runs_are_told_and_need_no_answer(new_talk, says):
    talk = new_talk()
    used = {
        "type": "mcp_call",
        "id": "m1",
        "server_label": "docs",
        "name": "search",
        "arguments": '{"q": 1}',
        "output": "found",
    }
    error = {"type": "http_error", "code": 502, "message": "Bad gateway"}
    heard = talk.hear(
        says.created(),
        {"type": "response.output_item.done", "response_id": "r1", "item": used},
        {
            "type": "response.output_item.done",
            "response_id": "r1",
            "item": {**used, "id": "m2", "output": None, "error": error},
        },
        {"type": "response.done", "response": {"id": "r1"}},
    )
    found, failed = (event for event in heard if isinstance(event, McpToolUsed))
    assert (found.server, found.name, found.arguments, found.output) == (
        "docs",
        "search",
        '{"q": 1}',
        "found",
    )
    assert (found.error, failed.output, failed.error) == ("", None, "http_error: Bad gateway")
    assert talk.sent() == []
    assert not talk.protocol.is_busy


def test_a_server_whose_tools_cant_be_listed_is_a_problem(new_talk):
    talk = new_talk()
    (problem,) = talk.hear({"type": "mcp_list_tools.failed", "item_id": "i1"})
    assert isinstance(problem, ProblemReported)
    assert problem.code == "mcp_list_tools_failed"


def test_what_waits_for_a_tool_is_not_about_to_be_said(new_talk, says):
    talk = new_talk()
    first, second = (
        {"type": "function_call", "id": f"i{n}", "call_id": f"t{n}", "name": "x", "arguments": "{}"}
        for n in "12"
    )
    talk.hear(
        says.created(),
        {"type": "response.output_item.done", "response_id": "r1", "item": first},
        {"type": "response.output_item.done", "response_id": "r1", "item": second},
        {"type": "response.done", "response": {"id": "r1"}},
    )
    talk.protocol.answer_tool("t1", "{}")
    assert not talk.protocol.is_busy
    talk.protocol.answer_tool("t2", "{}")
    assert talk.protocol.is_busy
