"""What a call tells: each event goes to its record, the metrics and the log, and its end is told once."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec

from sipagent import events
from sipagent.call.admission.origin import trunk_of
from sipagent.call.house import House
from sipagent.call.record.call_record import CallRecord
from sipagent.errors import EndReason
from sipagent.sip.identity import identified
from sipagent.sip.ladder import MessageLog
from sipagent.sip.messages import IncomingInvite, RejectedInvite

_DIGITS = re.compile(r"\d+")


class Telling:
    """Begins with the event it is made of, and is over after `end`."""

    def __init__(self, begun: events.CallBegun, house: House) -> None:
        self._call_id = begun.call_id
        self.keeps_digits = True
        self._trunk = begun.trunk or ""
        self._came_in = begun.at if begun.direction == "inbound" else None
        self._house = house
        self._story = house.calls.story(begun)
        self._bill = house.costs.bill(house.config, self._trunk, begun.direction)
        self._answered_at: float | None = None
        self._messages: list[MessageLog] = []
        self._is_admitted = False
        self._ending: tuple[EndReason | str, int, str] | None = None
        self._conclusion: dict[str, Any] = {}
        self._is_over = False
        self.publish(begun)

    @property
    def record(self) -> CallRecord:
        """As far as it has got."""
        return self._story.record

    async def open(self, recording: str | None) -> None:
        """Make it known on disk that this call is about to be answered."""
        await self._story.open(recording)

    def follow(self, messages: MessageLog) -> None:
        """Tell the SIP messages of this dialog too. A call may have several, one after the other."""
        if messages not in self._messages:
            self._messages.append(messages)

    def publish(self, event: events.Event) -> None:
        match event:
            case events.DigitReceived(kept=False):
                event = msgspec.structs.replace(event, digit=events.MASKED)
            case events.ToolCalled() | events.McpToolUsed() if not self.keeps_digits:
                # they may have come by keys
                masked = _DIGITS.sub(events.MASKED, event.arguments)
                event = msgspec.structs.replace(event, arguments=masked)
        self._is_admitted = self._is_admitted or isinstance(event, events.CallAdmitted)
        self._tell_messages()
        self._story.tell(event)
        self._count_cost(event)
        self._house.metrics.observe(event, self._trunk, self._came_in)
        self._house.load.observe(event, self.record.agent)
        self._house.watch(event)

    def note_end(self, reason: EndReason | str, sip_status: int, detail: str) -> None:
        """Why the call ends. The first cause stands."""
        if self._ending is None:
            self._ending = (reason, sip_status, detail)

    @property
    def end_reason(self) -> EndReason | str | None:
        """Why it ends, None if it doesn't."""
        return self._ending[0] if self._ending is not None else None

    def conclude(self, outcome: str, q850: int | None, sip_call_id: str) -> None:
        """What became of a call of ours."""
        self._conclusion = {"outcome": outcome, "q850": q850, "sip_call_id": sip_call_id}

    async def end(self) -> None:
        """Tell the end; returns when the record is on disk. A second call does nothing."""
        if self._is_over:
            return
        self._is_over = True
        self._charge(time.monotonic())
        reason, sip_status, detail = self._ending or (EndReason.INTERNAL_ERROR, 500, "")
        self.publish(
            events.CallEnded(
                call_id=self._call_id,
                at=time.monotonic(),
                end_reason=reason,
                sip_status=sip_status,
                detail=detail,
                **self._conclusion,
            )
        )
        if self._is_admitted:
            self._house.metrics.call_left(self._trunk, reason)
        if (dial := self.record.dial) is not None and self.record.outcome is not None:
            outcome = self.record.outcome
            self._house.metrics.count_dial(self._trunk, outcome, dial.post_dial_delay_s, dial.ring_s)
        self._tell_messages()
        await self._story.close()

    def _tell_messages(self) -> None:
        for log in self._messages:
            if messages := log.take():
                self._story.tell_messages(messages)

    def _count_cost(self, event: events.Event) -> None:
        if isinstance(event, events.CallAnswered):
            self._answered_at = event.at
        elif isinstance(event, events.UsageReported):
            cost = self._bill.use(event.model, event.usage)
            self._house.costs.spend(self.record.agent or "", self._trunk, cost)
        elif isinstance(event, events.HumanLegEnded) and event.answered is not None:
            cost = self._bill.connect_leg(event.trunk, event.at - event.answered)
            self._house.costs.spend(self.record.agent or "", event.trunk, cost)

    def _charge(self, now: float) -> None:
        """The bill of an answered call."""
        if self._answered_at is None:
            return
        self._bill.agent, answered_s = self.record.agent or "", now - self._answered_at
        self._house.costs.spend(self._bill.agent, self._trunk, self._bill.connect(answered_s))
        self.publish(self._bill.settle(self._call_id, now, answered_s))


async def tell_rejected(call_id: str, rejected: RejectedInvite, house: House) -> None:
    """The whole story of an INVITE that never became a call, because pjsip refused it by itself."""
    now = time.monotonic()
    trunk = trunk_of(rejected.invite, house.config, house.registered_sources())
    invite = rejected.invite if trunk is None else identified(rejected.invite, trunk.caller_id)
    telling = Telling(call_received(call_id, invite, trunk.name if trunk else None, now), house)
    detail = "refused by the SIP stack"
    telling.publish(
        events.CallRefused(
            call_id=call_id,
            at=now,
            sip_status=rejected.sip_status,
            reason_code=rejected.reason_code,
            detail=detail,
        )
    )
    telling.note_end(EndReason.REFUSED, rejected.sip_status, detail)
    await telling.end()


def call_received(call_id: str, invite: IncomingInvite, trunk: str | None, now: float) -> events.CallReceived:
    """The first event of an inbound call."""
    caller = invite.caller
    return events.CallReceived(
        call_id=call_id,
        at=now,
        direction="inbound",
        source=f"{invite.source_ip}:{invite.source_port}/{invite.transport}",
        trunk=trunk,
        from_number=invite.from_number,
        to_number=invite.to_number,
        sip_call_id=invite.sip_call_id,
        asserted_identity=caller.asserted_identity if caller else None,
        diverted_from=caller.diverted_from if caller else None,
        privacy=caller.privacy if caller else None,
        stir=caller.stir if caller else None,
    )
