"""A server's house with one trunk, and a call in it between a SIP peer and a worker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rtp.ports import PortPool
from sipagent import events
from sipagent.call.admission.load import CallLoad
from sipagent.call.current import CurrentConfig
from sipagent.call.house import House
from sipagent.call.inbound import InboundCall
from sipagent.call.record.costs import Costs
from sipagent.call.record.log import CallLog
from sipagent.call.record.spool import read_lines
from sipagent.call.session import CallSession
from sipagent.config import Config
from sipagent.metrics import Metrics, ServerFigures
from sipagent.sip.public_address import PublicAddresses
from sipagent.tools.toolbox import Toolbox
from tests.call.fake_sip import PBX, FakeSip
from tests.call.fake_workers import FakeWorkers
from tests.call.inbox import Inbox


class Exchange:
    """A server's house with one trunk, and the call under test."""

    def __init__(
        self, directory: Path, ports: PortPool, workers: Any, place_call: Any = None, **limits: int
    ) -> None:
        echo = {"name": "echo", "backend": {"kind": "echo"}, "record": False}
        pbx = {
            "name": "pbx",
            "allowed_addresses": [PBX],
            "numbers": {"100": "echo", "secret": "discreet", "model": "model"},
            "codecs": ["PCMA", "PCMU"],
        }
        self.config = Config.model_validate(
            {
                "public_address": "198.51.100.1",
                "limits": limits,
                "trunks": {"pbx": pbx},
                "agents": {
                    "echo": echo,
                    "discreet": echo | {"name": "discreet", "record_digits": False},
                    "model": {
                        "name": "model",
                        "backend": {"kind": "openai_realtime"},
                        "tools": {"hang_up": {"kind": "hang_up"}, "note": {"kind": "take_message"}},
                    },
                },
            }
        )
        self._directory = directory
        self.seen: list[events.Event] = []
        #: How many calls held a permit when each of them was told.
        self.carried: list[int] = []
        self.ports = ports
        self.metrics = Metrics(dict, lambda: ServerFigures(0, 0, 0))
        self.log = CallLog(
            spool=directory / "spool", transcripts=directory / "tr", recordings=directory / "rec"
        )
        self.house = House(
            current=CurrentConfig(self.config),
            load=CallLoad(self.config, 0.0),
            ports=ports,
            workers=workers,
            calls=self.log,
            costs=Costs(),
            metrics=self.metrics,
            addresses=PublicAddresses(self.config),
            registered_sources=dict,
            watch=self._watch,
            tools=Toolbox(self.config.tools),
            place_call=place_call or nobody_is_called,
        )

    def _watch(self, event: events.Event) -> None:
        self.seen.append(event)
        self.carried.append(self.house.load.calls)

    def call(self, sip: FakeSip) -> CallSession:
        peer: Any = sip
        return InboundCall("c-1", peer, self.house)

    def only_record(self) -> dict[str, Any]:
        """The call is over: it left one record, told its end once, and holds nothing any more."""
        self.log.close()
        (path,) = (self._directory / "spool").glob("calls-*.jsonl")
        (record,) = read_lines(path, lambda number: None)
        (ended,) = (event for event in self.seen if isinstance(event, events.CallEnded))
        assert record["end_reason"] == ended.end_reason
        assert [path.name for path in (self._directory / "spool" / "open").glob("*")] == []
        assert self.house.load.calls == 0
        assert self.ports.in_use == 0
        active = 'sipagent_calls_active{trunk="pbx"} 0.0'
        assert "CallAdmitted" not in map(kind, self.seen) or active in self.metrics.exposition().decode()
        return record


def nobody_is_called(*arguments: Any, **named: Any) -> Any:
    raise AssertionError("no call is to be placed")


class RunningCall:
    """A call in its own task, and everybody in it."""

    def __init__(self, exchange: Exchange, workers: FakeWorkers, sip: FakeSip, session: CallSession) -> None:
        self.exchange, self.workers, self.session = exchange, workers, session
        self._said = sip.inbox
        self._inbox = session._inbox = Inbox()
        self._running = asyncio.create_task(session.run())

    async def preparing(self) -> None:
        """Its leg is ordered, and it waits for that to get ready."""
        async with asyncio.timeout(2):
            await self.workers.opened()
            await self._inbox.drained()

    async def settled(self) -> None:
        """It has dealt with all that peer and worker told it, and waits for more."""
        async with asyncio.timeout(2):
            while not (self._said.is_drained and self._inbox.is_drained):
                await self._said.drained()
                await self._inbox.drained()

    async def finished(self) -> None:
        async with asyncio.timeout(2):
            await self._running

    async def over(self) -> dict[str, Any]:
        await self.finished()
        return self.exchange.only_record()


class Talk(RunningCall):
    """A call that comes in."""

    def __init__(self, exchange: Exchange, workers: FakeWorkers, sip: FakeSip) -> None:
        self.sip = sip
        super().__init__(exchange, workers, sip, exchange.call(sip))

    async def answered(self) -> None:
        await self.preparing()
        self.workers.get_ready()
        await self.sip.until("answer")
        await self.workers.flowing()

    async def talking(self) -> None:
        await self.answered()
        self.sip.ack()
        await self.settled()

    async def crashed(self) -> dict[str, Any]:
        """As the server treats a call whose task fails."""
        async with asyncio.timeout(2):
            with pytest.raises(ValueError, match="defect"):
                await self._running
            await self.session.abandon()
            await self.session.abandon()
        return self.exchange.only_record()

    async def cut_off(self) -> dict[str, Any]:
        """As a server that stops treats a call that doesn't end by itself."""
        self._running.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await self._running
            await self.session.abandon()
        return self.exchange.only_record()


def kind(event: events.Event) -> str:
    return type(event).__name__


def outcome(record: dict[str, Any]) -> tuple[str, str, int, str | None]:
    return record["call_status"], record["end_reason"], record["sip_status"], record["reason_code"]
