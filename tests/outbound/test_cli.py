"""`sipagent dial` and `sipagent dials`, as far as they go without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import sipagent

DIAL = ("dial", "+4930123456", "--agent", "seller")


def run(*arguments: str) -> tuple[int, str]:
    result = sipagent(*arguments)
    return result.exit_code, result.output


def test_a_token_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SIPAGENT_TOKEN", raising=False)
    assert run(*DIAL, "--url", "http://127.0.0.1:9") == (
        1,
        "no token: set SIPAGENT_TOKEN, or name a --token-file\n",
    )
    code, text = run(*DIAL, "--token-file", str(tmp_path / "none"))
    assert (code, "none can't be read" in text) == (1, True)


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIPAGENT_TOKEN", "t" * 16)
    code, text = run(*DIAL, "--url", "http://127.0.0.1:9")
    assert (code, text.startswith("http://127.0.0.1:9 does not answer: ")) == (1, True)
    code, text = run(*DIAL, "-c", str(tmp_path / "sipagent.yaml"))
    assert (code, "sipagent.yaml" in text) == (1, True)


def test_variables_are_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIPAGENT_TOKEN", "t" * 16)
    code, text = run(*DIAL, "--variable", "name", "--url", "http://127.0.0.1:9")
    assert (code, "must be name=value" in text) == (2, True)
