"""The examples in `config/` work as they stand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from sipagent.call.admission.backend_health import BackendHealth
from sipagent.call.admission.decision import Admit
from sipagent.call.admission.question import Load
from sipagent.call.admission.rehearsal import route_test
from sipagent.config import OpenAIRealtimeConfig, check
from sipagent.config.server import ServerConfig

OFFICE_HOURS = datetime(2026, 6, 15, 11, 0, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[1] / "config"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_PASSWORD", "x")
    monkeypatch.setenv("OPENAI_API_KEY", "x")


def test_the_examples_pass_check() -> None:
    config = check(EXAMPLES / "sipagent.yaml")
    assert set(config.trunks) == {"example-registered", "example-peer"}
    assert set(config.agents) == {"receptionist", "echo", "voicemail"}
    assert isinstance(config.agents["receptionist"].backend, OpenAIRealtimeConfig)


def test_the_server_example_spells_out_every_default() -> None:
    written = yaml.safe_load((EXAMPLES / "sipagent.yaml").read_text())
    assert ServerConfig.model_validate(written) == ServerConfig()
    for section, values in ServerConfig().model_dump(mode="json").items():
        if isinstance(values, dict):
            assert set(written[section]) == set(values), section


@pytest.mark.parametrize(
    ("source", "number", "agent"),
    [
        ("192.0.2.10", "+15550100", "receptionist"),
        ("198.51.100.77", "100", "echo"),
        ("sip.provider.example", "+442071234567", "receptionist"),
        ("sip.provider.example", "+442071239999", "echo"),
    ],
)
def test_calls_over_the_example_trunks_reach_their_agents(source: str, number: str, agent: str) -> None:
    decision = route_test(check(EXAMPLES / "sipagent.yaml"), source, number, load=Load(wall=OFFICE_HOURS))
    assert isinstance(decision, Admit)
    assert decision.agent.name == agent


def test_the_example_rules_send_calls_elsewhere() -> None:
    config = check(EXAMPLES / "sipagent.yaml")
    office, peer = ("sip.provider.example", "+442071234567"), ("192.0.2.10", "+15550100")

    def route(call: tuple[str, str], load: Load) -> str | None:
        return route_test(config, *call, load=load).route

    assert route(office, Load(wall=OFFICE_HOURS.replace(hour=20))) == (
        "example-registered/after-hours -> after-hours"
    )
    down = BackendHealth(failures=3, down_since=0.0, try_at=30.0)
    backends = {"receptionist": down}
    assert route(office, Load(wall=OFFICE_HOURS, backends=backends)) == "example-registered/model-down"
    assert route(peer, Load(calls=91)) == "overflow"
