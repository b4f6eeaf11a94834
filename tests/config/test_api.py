"""Tokens of the API and receivers of webhooks, as they are read from the configuration."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from sipagent.config import Config, WebhookConfig, check, load
from sipagent.errors import ConfigError

AGENT = "backend: {kind: echo}\n"
TRUNK = "allowed_addresses: [192.0.2.1]\nnumbers: {'100': echo}\n"
TOKEN = "{name: crm, token: {env: CRM_TOKEN}, scopes: ['calls:read']}"
WEBHOOK = "{name: crm, url: 'https://crm.example/x', secret: {env: CRM_SECRET}}"
GOOD_SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("CRM_SECRET", GOOD_SECRET)


def written(directory: Path, server: str) -> Path:
    for name, text in {"sipagent": server, "trunks/pbx": TRUNK, "agents/echo": AGENT}.items():
        path = directory / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return directory / "sipagent.yaml"


def problem_of(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        check(path)
    (problem,) = error.value.problems
    return problem


def test_tokens_and_receivers_are_read(tmp_path: Path) -> None:
    config: Config = check(written(tmp_path, f"api: {{tokens: [{TOKEN}]}}\nwebhooks: [{WEBHOOK}]\n"))
    (token,), (endpoint,) = config.api.tokens, config.webhooks
    assert (token.name, token.scopes, token.trunks) == ("crm", ("calls:read",), None)
    assert (endpoint.events, endpoint.key()) == (("call.*",), bytes(24))


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (f"api: {{tokens: [{TOKEN}, {TOKEN}]}}", "api.tokens[1].name: 'crm' stands here twice"),
        (f"webhooks: [{WEBHOOK}, {WEBHOOK}]", "webhooks[1].name: 'crm' stands here twice"),
        (
            f"api: {{tokens: [{TOKEN[:-1]}, trunks: [pxb]}}]}}",
            "there is no trunk 'pxb' (did you mean 'pbx'?)",
        ),
        (f"api: {{tokens: [{TOKEN.replace('calls:read', 'calls:all')}]}}", "api.tokens[0].scopes[0]"),
        (f"api: {{tokens: [{TOKEN.replace('{env: CRM_TOKEN}', 'plain')}]}}", "secrets don't stand in"),
        (f"webhooks: [{WEBHOOK.replace('https', 'ftp')}]", "must begin with https://"),
        (
            f"webhooks: [{WEBHOOK.replace('CRM_SECRET', 'NOT_SET')}]",
            "environment variable NOT_SET is not set",
        ),
        ("http: {tls: {certificate_file: no.pem, key_file: /dev/null}}", "http.tls.certificate_file"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, server: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(written(tmp_path, server + "\n"))
    assert any("sipagent.yaml:1: " in problem and told in problem for problem in error.value.problems)


def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", "s3cret")
    path = written(tmp_path, f"api: {{tokens: [{TOKEN}]}}\n")
    problem = problem_of(path)
    assert "api.tokens[0].token: environment variable CRM_TOKEN is shorter than 16 characters" in problem
    assert "s3cret" not in problem
    assert load(path).api.tokens[0].name == "crm"


@pytest.mark.parametrize(
    "secret",
    ["hunter2-hunter2-hunter2-hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", GOOD_SECRET[6:]],
)
def test_a_key_that_signs_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("CRM_SECRET", secret)
    problem = problem_of(written(tmp_path, f"webhooks: [{WEBHOOK}]\n"))
    assert "webhooks[0].secret: environment variable CRM_SECRET must be whsec_ and 24 to 64 bytes" in problem


@pytest.mark.parametrize("pattern", ["call", "call.", "CALL.*", "call.*.*", ""])
def test_a_pattern_that_fits_no_name_is_refused(pattern: str) -> None:
    values = {"name": "crm", "url": "https://crm.example", "secret": {"env": "X"}, "events": [pattern]}
    with pytest.raises(ValueError, match="events"):
        WebhookConfig.model_validate(values)
