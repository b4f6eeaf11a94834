"""A configuration with rules of routes.yaml, a call, and what is decided of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sipagent.call.admission.backend_health import BackendHealth
from sipagent.call.admission.decision import Decision
from sipagent.call.admission.incoming import decide
from sipagent.call.admission.question import Load
from sipagent.config import Config
from sipagent.sip.messages import IncomingInvite, OfferedAudio
from tests.call import fake_sip
from tests.call.fake_sip import PBX

CARRIER = "198.51.100.5"
NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)  # a Monday
SUNDAY = datetime(2026, 6, 14, 12, 0, tzinfo=UTC)
DOWN = BackendHealth(failures=3, down_since=0.0, try_at=30.0, cause="backend_unreachable")
OFFERED = OfferedAudio(("PCMU",))


def configured(*rules: Mapping[str, Any], **top: Any) -> Config:
    trunks = {
        "pbx": {"allowed_addresses": [PBX], "numbers": {"100": "echo"}, "max_calls": 5},
        "carrier": {"allowed_addresses": [CARRIER], "numbers": {"*": "echo"}},
    }
    hours = {"time_zone": "UTC", "hours": {"mon-fri": "09:00-17:00"}}
    return Config.model_validate(
        {
            "limits": {"max_calls": 10, "max_calls_per_second": 100},
            "trunks": {name: {"name": name, **trunk} for name, trunk in trunks.items()},
            "agents": {
                name: {"name": name, "backend": {"kind": "echo"}} for name in ("echo", "sales", "night")
            },
            "routes": {
                "calendars": {"office": hours},
                "rules": [{"name": f"r{n}"} | dict(rule) for n, rule in enumerate(rules, start=1)],
            },
        }
        | top
    )


def invite(
    to: str = "+442071234567", caller: str = "+15550001", source: str = PBX, headers: Any = ()
) -> IncomingInvite:
    from_uri = f'"Caller" <sip:{caller}@192.0.2.1>;tag=1'
    return replace(fake_sip.invite(source, to), from_uri=from_uri, headers=tuple(headers))


def ask(config: Config, request: IncomingInvite | None = None, load: Load | None = None) -> Decision:
    return decide(request or invite(), OFFERED, load or Load(wall=NOON), config, {}, 0.0)
