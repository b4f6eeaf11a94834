"""Transfers in configuration: what is valid, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from sipagent.config import check, load
from sipagent.errors import ConfigError

TRUNK = "allowed_addresses: [192.0.2.1]\nnumbers: {'*': echo}\n"
TEMPLATE = TRUNK + "transfer: {uri_template: 'sip:{number}@carrier.example'}\n"
AGENT = "backend: {kind: echo}\n"


def written(directory: Path, trunk: str = TEMPLATE, agent: str = AGENT) -> Path:
    contents = {"sipagent.yaml": "", "trunks/pbx.yaml": trunk, "agents/echo.yaml": agent}
    for name, text in contents.items():
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(text))
    return directory / "sipagent.yaml"


def sales(target: str) -> str:
    return AGENT + f"transfers:\n  sales: {target}\n"


def test_a_target_needs_no_more_than_a_number(tmp_path: Path) -> None:
    config = load(written(tmp_path, agent=sales("{to: '+4420'}")))
    target = config.agents["echo"].transfers["sales"]
    assert (target.to, target.how, target.model, target.human_hangs_up) == ("+4420", "auto", "muted", "end")
    assert config.trunks["pbx"].transfer.allowed.match("+4420") is None


@pytest.mark.parametrize(
    ("trunk", "template"),
    [
        (TEMPLATE, "sip:{number}@carrier.example"),
        (TRUNK, None),
        (TRUNK + "outbound_proxy: 'sip:proxy.example:5070'\n", "sip:{number}@proxy.example:5070"),
        ("registration: {registrar: 'sip:reg.example', username: u}\n", "sip:{number}@reg.example"),
    ],
)
def test_how_a_trunk_makes_uris_of_numbers(tmp_path: Path, trunk: str, template: str | None) -> None:
    assert load(written(tmp_path, trunk)).trunks["pbx"].number_template == template


URI = "must be a URI that begins with"
MISTAKES = (
    (
        TEMPLATE,
        sales("{to: '+4420', trunk: pxb}"),
        "sales.trunk: there is no trunk 'pxb' (did you mean 'pbx'?)",
    ),
    (TRUNK, sales("{to: '+4420'}"), "echo.yaml:3: transfers.sales.to: a number needs transfer.uri_template"),
    (TEMPLATE, sales("{to: '1', whisper: x, whisper_file: y}"), "write either whisper or whisper_file"),
    (TRUNK + "transfer: {uri_template: 'sip:a.example'}\n", AGENT, "must hold {number} or {digits}"),
    (TRUNK + "transfer: {uri_template: '{number}@a.example'}\n", AGENT, URI),
)


@pytest.mark.parametrize(("trunk", "agent", "problem"), MISTAKES)
def test_mistakes(tmp_path: Path, trunk: str, agent: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, trunk, agent))
    assert problem in str(raised.value)


def test_a_uri_needs_no_template(tmp_path: Path) -> None:
    load(written(tmp_path, TRUNK, sales("{to: 'sip:bob@192.0.2.7'}")))


def test_sounds_must_be_there_to_start(tmp_path: Path) -> None:
    path = written(tmp_path, agent=sales("{to: '+4420', wait_file: music.wav}"))
    load(path)
    with pytest.raises(ConfigError, match=r"transfers\.sales\.wait_file: .*music\.wav can't be"):
        check(path)
