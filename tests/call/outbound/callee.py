"""A call that we place, whose callee and worker are the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sipagent.call.admission import originating
from sipagent.call.admission.decision import Admit
from sipagent.call.admission.question import Load
from sipagent.call.origination import Origination
from sipagent.call.outbound import OutboundCall
from sipagent.sip.messages import CallConfirmed, CallDisconnected, CallProgress, MediaNegotiated
from tests.call.exchange import Exchange, RunningCall, kind
from tests.call.fake_sip import FakeSip, negotiated
from tests.call.fake_workers import FakeWorkers

TO, URI = "+15550100", "sip:+15550100@192.0.2.9"


class FakeCallee(FakeSip):
    """The callee's side: it says what the test says, and ends what we hang up."""

    def __init__(self) -> None:
        super().__init__(None)
        self.sip_call_id = "sip-9"
        self.placed: list[tuple[str, str, Mapping[str, Any]]] = []
        self.rings_at_once = False
        self._is_answered = False

    def place(self, trunk: str, uri: str, local: object, **how: Any) -> FakeCallee:
        self.placed.append((trunk, uri, how))
        self._did("dialled")
        if self.rings_at_once:
            self.ring()
        return self

    def hang_up(self, *, sip_status: int = 480, reason_code: str | None = None) -> None:
        self._did(f"hang_up {reason_code}")
        self.send(CallDisconnected(200 if self._is_answered else 487, "", by_remote=False))

    def ring(self) -> None:
        self.send(CallProgress(180, "Ringing"))

    def pick_up(self, media: MediaNegotiated | None = None) -> None:
        self._is_answered = True
        self.send(media or negotiated())
        self.send(CallConfirmed())

    def refuse_us(self, sip_status: int, reason: str = "", q850: int | None = None) -> None:
        self.send(CallDisconnected(sip_status, reason, True, q850))


class Attempt(RunningCall):
    """A call that we are to place."""

    def __init__(self, exchange: Exchange, workers: FakeWorkers, callee: FakeCallee, **wanted: Any) -> None:
        self.callee = callee
        origination = Origination(**{"to": TO, "to_uri": URI, "trunk": "pbx", "agent": "echo"} | wanted)
        admitted = originating.decide(origination, Load(), exchange.config, 0.0)
        assert isinstance(admitted, Admit)
        session = OutboundCall("c-1", origination, admitted, exchange.house)
        super().__init__(exchange, workers, callee, session)

    async def dialling(self) -> None:
        await self.preparing()
        self.workers.get_ready()
        await self.callee.until("dialled")

    async def ringing(self) -> None:
        await self.dialling()
        self.callee.ring()
        await self.settled()

    async def talking(self) -> None:
        await self.ringing()
        self.callee.pick_up()
        await self.workers.flowing()

    def told(self) -> list[str]:
        return list(map(kind, self.exchange.seen))


def outcome(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("outcome", "call_status", "sip_status", "end_reason"))
