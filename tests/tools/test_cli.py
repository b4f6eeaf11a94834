"""`sipagent tools`, as an operator uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sipagent.tools.cli import app

AGENT = """
backend: {kind: openai_realtime}
instructions: Be kind.
tools:
  add:
    kind: python
    function: tests.tools.operators_tools:add
    description: Adds.
    parameters: {type: object, properties: {a: {type: integer}, b: {type: integer}}, required: [a]}
  broken: {kind: python, function: 'tests.tools.operators_tools:fail'}
  hang_up: {kind: hang_up}
  docs: {kind: mcp, server_url: 'https://mcp.example/'}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    trunk = "allowed_addresses: [192.0.2.1]\nnumbers: {'*': bot}\n"
    for name, text in {"sipagent": "", "trunks/pbx": trunk, "agents/bot": AGENT}.items():
        file = tmp_path / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path / "sipagent.yaml"


def tools(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "-c", str(config)])


def test_every_tool_is_listed(config: Path) -> None:
    listed = tools(config, "list").stdout
    assert [line.split()[1] for line in listed.splitlines()[1:] if line.startswith("bot")] == [
        "add",
        "broken",
        "hang_up",
        "docs",
    ]


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "words"),
    [
        ("add", '{"a": 2, "b": 3}', 0, 'ok: \n{"sum":5}\n'),
        ("add", "{}", 1, "invalid: 'a' is a required property\n"),
        ("broken", "{}", 1, "failed: RuntimeError('out of paper')\n"),
        ("hang_up", "{}", 0, "the arguments are good"),
    ],
)
def test_a_tool_is_called_as_a_call_would(
    config: Path, tool: str, arguments: str, status: int, words: str
) -> None:
    result = tools(config, "test", "bot", tool, arguments)
    assert (result.exit_code, words in result.stdout) == (status, True), result.output


@pytest.mark.parametrize(
    ("agent", "tool", "words"),
    [("bto", "add", "did you mean 'bot'"), ("bot", "ad", "did you mean 'add'"), ("bot", "docs", "own host")],
)
def test_what_can_not_be_called(config: Path, agent: str, tool: str, words: str) -> None:
    result = tools(config, "test", agent, tool)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_configuration_that_is_wrong(config: Path) -> None:
    config.write_text("nonsense: 1\n")
    result = tools(config, "list")
    assert result.exit_code == 78
    assert "nonsense" in result.stderr
