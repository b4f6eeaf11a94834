"""Configuration of the call log, of prices and of budgets: what is valid, and how mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from sipagent.config import Secret, load
from sipagent.errors import ConfigError

FILES = {
    "sipagent.yaml": "",
    "trunks/pbx.yaml": "allowed_addresses: [192.0.2.1]\nnumbers: {'*': echo}\n",
    "agents/echo.yaml": "backend: {kind: echo}\n",
}
PRICES = "models: {m: {audio_input_per_million: 0.4}}\n"

Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(files: dict[str, str]) -> Path:
        for name, text in (FILES | files).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path / "sipagent.yaml"

    return write


def problem(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load(path)
    (only,) = raised.value.problems
    return only.replace(f"{path.parent}/", "")


def test_the_database_may_be_named_or_be_a_secret(write: Write) -> None:
    named = load(write({"sipagent.yaml": "call_log: {url: 'postgresql://sipagent@db.example/sipagent'}"}))
    assert named.call_log.url == "postgresql://sipagent@db.example/sipagent"
    secret = load(write({"sipagent.yaml": "call_log: {url: {env: DATABASE_URL}}"}))
    assert secret.call_log.url == Secret(env="DATABASE_URL")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://db/calls", "must begin with postgresql:// or sqlite:///"),
        ("postgresql://u:pw@db/calls", "has a password in it"),
    ],
)
def test_a_database_that_will_not_do(write: Write, url: str, why: str) -> None:
    told = problem(write({"sipagent.yaml": f"call_log:\n  url: '{url}'\n"}))
    assert told.startswith(f"sipagent.yaml:2: call_log.url: {why}")


def test_prices_stand_beside_the_server_or_in_it(write: Write) -> None:
    beside = load(write({"prices.yaml": PRICES})).prices
    assert beside is not None
    assert beside.models["m"].audio_input_per_million == Decimal("0.4")


def test_prices_in_the_servers_own_file(write: Write) -> None:
    inside = load(write({"sipagent.yaml": "prices:\n  " + PRICES})).prices
    assert inside is not None
    assert inside.models["m"].audio_input_per_million == Decimal("0.4")


def test_prices_stand_in_one_place(write: Write) -> None:
    told = problem(write({"sipagent.yaml": "prices:\n  " + PRICES, "prices.yaml": PRICES}))
    assert told == "sipagent.yaml:1: prices: stands in prices.yaml too: write prices in one place"


@pytest.mark.parametrize("name", ["prices.yaml", "sipagent.yaml"])
def test_a_price_of_a_trunk_that_is_not_there(write: Write, name: str) -> None:
    indent = "" if name == "prices.yaml" else "prices: "
    told = problem(write({name: f"{indent}{{trunks: {{pbxx: {{inbound: {{setup: 1}}}}}}}}\n"}))
    key = "trunks.pbxx" if name == "prices.yaml" else "prices.trunks.pbxx"
    assert told == f"{name}:1: {key}: there is no trunk 'pbxx' (did you mean 'pbx'?)"


@pytest.mark.parametrize("name", ["sipagent.yaml", "trunks/pbx.yaml", "agents/echo.yaml"])
def test_a_budget_needs_prices(write: Write, name: str) -> None:
    files = {name: FILES[name] + "budget: {per_day: 10}\n"}
    assert "budget: needs prices" in problem(write(files))
    assert load(write(files | {"prices.yaml": PRICES})).prices is not None


def test_a_price_below_nothing(write: Write) -> None:
    told = problem(write({"prices.yaml": "models:\n  m: {per_minute: -1}\n"}))
    assert told.startswith("prices.yaml:2: models.m.per_minute: must be greater than or equal to 0")
