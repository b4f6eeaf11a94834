"""Trunks of every kind."""

from __future__ import annotations

import pytest

from sipagent.config import Config
from tests.call.admission.peers import SECURE


@pytest.fixture
def config() -> Config:
    def account(user: str) -> dict[str, str]:
        return {"registrar": "sip:carrier.example", "username": user}

    echo, human = ({"name": name, "backend": {"kind": "echo"}} for name in ("echo", "human"))
    trunks: dict[str, dict[str, object]] = {
        "pbx": {
            "allowed_addresses": ["192.0.2.0/28"],
            "numbers": {"+15550100": "human", "100": "echo"},
            "codecs": ["PCMA"],
            "max_calls": 5,
            "max_calls_per_second": 2,
        },
        "sales": {"registration": account("sales"), "numbers": {"*": "human"}},
        "support": {"registration": account("support"), "numbers": {"+15550111": "echo", "*": "human"}},
        "secure": {"allowed_addresses": [SECURE], "transport": "tls", "numbers": {"*": "echo"}},
    }
    return Config.model_validate(
        {
            "limits": {"max_calls": 10, "max_calls_per_second": 4, "drain_deadline_s": 30},
            "trunks": {name: {"name": name, **trunk} for name, trunk in trunks.items()},
            "agents": {"echo": echo, "human": human},
        }
    )
