"""Calls that a running server places when a signal tells it to, and whom they reach."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support.human import human
from tests.e2e.support.originating_server import that_calls
from tests.e2e.support.ports import free_port, is_bound
from tests.e2e.support.server import Record, Server, running
from tests.e2e.support.setup import Setup
from tests.e2e.support.waiting import eventually

NUMBER, GREETING, LENGTH_MS = "+15550100", 1, 800
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}


def speaks() -> RealtimeOptions:
    return RealtimeOptions(
        script=(Turn(reply=[Pattern(pattern_ms=LENGTH_MS, number=GREETING)]),), obedient=False
    )


class Callee:
    """Where the numbers of our trunk lead: a port of this machine."""

    def __init__(self, setup: SetupFactory, model_url: str | None, **trunk: Any) -> None:
        self.port = free_port("127.0.0.1")
        transfer = {"uri_template": f"sip:{{number}}@127.0.0.1:{self.port}"}
        self.setup: Setup = setup(model_url, agent=SPEAKS, trunk={"transfer": transfer} | trunk)

    def running(self, **origination: Any) -> Any:
        return running(self.setup, wrapper=that_calls(origination))

    async def answers(self, sipp: Sipp, scenario: str, **options: Any) -> asyncio.Task[None]:
        """SIPp as the callee, which listens by now. It is done when the scenario is."""
        done = asyncio.create_task(sipp(scenario, self.setup, "-p", str(self.port), **options))
        await eventually(lambda: done.done() or is_bound(self.port), "SIPp is there")
        return done

    def phone(self, **options: Any) -> Any:
        return human(self.setup, self.port, **options)


def dial(server: Server) -> None:
    """Have the next call placed: see `originating_server`."""
    server.process.send_signal(signal.SIGUSR1)


def told(record: Record) -> tuple[Any, ...]:
    """What became of a call."""
    return tuple(record[key] for key in ("outcome", "call_status", "sip_status", "end_reason"))
