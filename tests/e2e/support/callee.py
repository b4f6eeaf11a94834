"""Where all numbers of a trunk lead: somebody whom the server under test calls by its API."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import SetupFactory
from tests.e2e.support.api import Api, api_section
from tests.e2e.support.ports import free_port
from tests.e2e.support.setup import Setup
from tests.e2e.support.waiting import PATIENCE_S, eventually

NUMBER = "+15550100"
OVER = {"completed", "failed", "cancelled", "expired"}
Shown = dict[str, Any]


class Callee:
    """A port of this machine. `plan` is laid over the server's section `outbound`."""

    def __init__(
        self,
        setup: SetupFactory,
        model_url: str | None = None,
        *,
        caps: dict[str, int] | None = None,
        agent: dict[str, Any] | None = None,
        top: dict[str, Any] | None = None,
        **plan: Any,
    ) -> None:
        self.port = free_port()
        api = api_section()
        for token in api["tokens"]:
            token["caps"] = caps or {}
        pace = {"calls_per_s": 50, "max_concurrent": 10}
        outbound = {"allow": ["+1555"], "default_tenant": pace, **plan}
        template = {"uri_template": f"sip:{{number}}@127.0.0.1:{self.port}"}
        sections = {"api": api, "outbound": outbound}
        self.setup: Setup = setup(model_url, agent=agent, trunk={"transfer": template}, top=top, **sections)
        self.api = Api(self.setup)

    async def dial(self, **fields: Any) -> str:
        """Have the number called; the id of the dial."""
        answer = await self.api.post("/v1/calls", {"to": NUMBER, "agent": "receptionist", **fields})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["dial_id"])

    async def shown(self, dial_id: str) -> Shown:
        found: Shown = (await self.api.get(f"/v1/dials/{dial_id}")).json()
        return found

    async def when(self, dial_id: str, *states: str, within_s: float = PATIENCE_S) -> Shown:
        """The dial, once it is in one of these states."""
        seen: Shown = {}

        async def is_there() -> bool:
            seen.update(await self.shown(dial_id))
            return seen["state"] in states

        await eventually(is_there, f"{dial_id} is {' or '.join(states)}", within_s)
        return seen
