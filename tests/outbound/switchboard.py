"""What a dial desk knows of the server: calls that do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

from sipagent import events
from sipagent.call.current import CurrentConfig
from sipagent.call.origination import Origination
from sipagent.config import Config
from sipagent.metrics import Metrics, ServerFigures
from sipagent.outbound.desk import Desk
from sipagent.outbound.dial import Dial

PATIENCE_S = 10.0


def configured(
    directory: Path,
    tokens: Sequence[dict[str, Any]] = (),
    http: dict[str, Any] | None = None,
    **outbound: Any,
) -> Config:
    """A trunk `carrier`, an agent `seller`, and everybody in Germany may be called, as fast as it goes."""
    plan = {"allow": ["+49"], "default_tenant": {"calls_per_s": 1000, "max_concurrent": 10}, **outbound}
    carrier = {
        "name": "carrier",
        "allowed_addresses": ["192.0.2.1"],
        "transfer": {"uri_template": "sip:{number}@192.0.2.1"},
    }
    return Config.model_validate(
        {
            "storage": {"directory": directory},
            "http": http or {},
            "api": {"tokens": list(tokens)},
            "outbound": plan,
            "trunks": {"carrier": carrier, "other": {**carrier, "name": "other"}},
            "agents": {"seller": {"name": "seller", "backend": {"kind": "echo"}}},
        }
    )


class FakeCalls:
    """Keeps what is to be placed. `refusals`, or defects, are raised first, one after the other."""

    def __init__(self) -> None:
        self.placed: asyncio.Queue[tuple[str, Origination]] = asyncio.Queue()
        self.hung_up: list[str] = []
        self.refusals: list[Exception] = []
        self._numbers = count(1)

    def originate(self, origination: Origination) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        call_id = f"c-{next(self._numbers)}"
        self.placed.put_nowait((call_id, origination))
        return call_id

    def hang_up(self, call_id: str) -> None:
        self.hung_up.append(call_id)


class Switchboard:
    """A desk, and the far side of its calls."""

    def __init__(self, config: Config, tell: Callable[[Dial], None] | None = None) -> None:
        self.calls = FakeCalls()
        self.current = CurrentConfig(config)
        self.metrics = Metrics(dict, lambda: ServerFigures(0, 0, 0))
        self.told: asyncio.Queue[Dial] = asyncio.Queue()
        self.desk = Desk(self.current, self.calls, self.metrics, tell or self.told.put_nowait)

    async def next_call(self) -> tuple[str, Origination]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.calls.placed.get()

    async def next_end(self) -> Dial:
        """The next dial that is over."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.told.get()

    def answer(self, call_id: str) -> None:
        self.desk.observe(events.CallAnswered(call_id=call_id, at=1.0, codec="PCMU"))

    def recognise(self, call_id: str, kind: Literal["human", "machine"]) -> None:
        told = {"reason": "greeting", "after_ms": 1, "greeting_ms": 1, "initial_silence_ms": 1, "words": 1}
        self.desk.observe(events.AnswererDetected(call_id=call_id, at=1.5, kind=kind, **told))

    def end(self, call_id: str, outcome: str, sip_status: int = 200, **fields: Any) -> None:
        told = {"end_reason": "refused", "outcome": outcome, "sip_status": sip_status, **fields}
        self.desk.observe(events.CallEnded(call_id=call_id, at=2.0, **told))
