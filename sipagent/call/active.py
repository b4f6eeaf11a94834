"""The calls that are on: each begins here, runs in a task of its own, and is let go when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from dataclasses import replace

from sipagent import logs
from sipagent.call.admission import originating
from sipagent.call.admission.decision import Refuse
from sipagent.call.house import House
from sipagent.call.inbound import InboundCall
from sipagent.call.origination import Origination, Refused
from sipagent.call.outbound import OutboundCall
from sipagent.call.session import CallSession
from sipagent.call.telling import tell_rejected
from sipagent.errors import EndReason
from sipagent.sip.call import SipCall
from sipagent.sip.messages import RejectedInvite

log = logs.get_logger(__name__)


class ActiveCalls:
    """All calls of a server, whichever way they go. What becomes of one does nothing to the others."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._calls: dict[str, tuple[CallSession, asyncio.Task[None]]] = {}
        self._rejected: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._calls)

    def sessions(self) -> dict[str, CallSession]:
        """By their ids."""
        return {call_id: session for call_id, (session, _) in self._calls.items()}

    # --- how they begin -----------------------------------------------------------------------------

    def receive(self, sip: SipCall) -> None:
        """Somebody calls."""
        call_id = uuid.uuid4().hex
        with logs.call(call_id):
            self._take_on(InboundCall(call_id, sip, self._house))

    def originate(self, origination: Origination) -> str:
        """Place a call; returns its id. What becomes of it is told in its events, `CallEnded` the last.

        It counts against every limit from now on. Raises `Refused`.
        """
        now, house = time.monotonic(), self._house
        load = replace(house.load.snapshot(), exceeded=house.costs.exceeded(house.config))
        decision = originating.decide(origination, load, house.config, now)
        if isinstance(decision, Refuse):
            raise Refused(decision.reason_code, decision.detail, decision.retry_after_s)
        call_id = uuid.uuid4().hex
        with logs.call(call_id):
            self._take_on(OutboundCall(call_id, origination, decision, house))
        return call_id

    def note_rejected(self, rejected: RejectedInvite) -> None:
        """pjsip refused an INVITE by itself; it gets its record all the same."""
        call_id = uuid.uuid4().hex
        with logs.call(call_id):
            story = tell_rejected(call_id, rejected, self._house)
            task = asyncio.create_task(story, name=f"call {call_id}")
        self._rejected.add(task)
        task.add_done_callback(self._rejected.discard)

    def _take_on(self, session: CallSession) -> None:
        call_id = session.call_id
        task = asyncio.create_task(self._run(session), name=f"call {call_id}")
        self._calls[call_id] = (session, task)
        self._idle.clear()

    async def _run(self, session: CallSession) -> None:
        try:
            await session.run()
        except Exception:  # the call's edge: one call's defect must not end the others
            log.exception("call_crashed")
            await session.abandon()
        except asyncio.CancelledError:
            log.warning("call_abandoned", state=session.state)
            await session.abandon()
            raise
        finally:
            del self._calls[session.call_id]
            if not self._calls:
                self._idle.set()

    # --- how they end -------------------------------------------------------------------------------

    def hang_up(self, call_id: str) -> None:
        """End a call, if it is on: nobody wants it any more."""
        if call_id in self._calls:
            self._calls[call_id][0].end(EndReason.API_HUNG_UP, "its dial was cancelled")

    def call_off(self) -> None:
        """Nobody is to be called any more who hasn't answered."""
        for session in self.sessions().values():
            if isinstance(session, OutboundCall):
                session.call_off()

    async def all_over(self) -> None:
        """Returns when no call is on."""
        await self._idle.wait()

    async def end_all(self, reason: EndReason, within_s: float) -> None:
        """End every call from our side. Some may be on afterwards, whose peers keep us waiting."""
        for session in self.sessions().values():
            session.end(reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.all_over()

    async def abandon(self) -> None:
        """Calls that would not end in good order get their record while it can be written."""
        left = [task for _, task in self._calls.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
