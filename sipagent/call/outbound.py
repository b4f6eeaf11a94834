"""A call that we place: the agent gets ready, the callee is dialled, and they talk once it has answered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

from msgspec.structs import replace as replace_field

from rtp.ports import PortPair
from sipagent import events
from sipagent.call.admission.decision import Admit, ToAgent, as_records
from sipagent.call.admission.originating import with_variables
from sipagent.call.house import House
from sipagent.call.media_side import Parties
from sipagent.call.numbering import NotDiallable, uri_to_call_as
from sipagent.call.order import is_recorded, leg_order
from sipagent.call.origination import Origination, Outcome, outcome_of
from sipagent.call.place import outgoing_media, rtp_ports
from sipagent.call.session import CANT_BE_HAD, CallSession, Happened
from sipagent.call.state import CALLING, State
from sipagent.config import AgentConfig
from sipagent.errors import EndReason, ReasonCode
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    CallProgress,
    LocalMedia,
    MediaNegotiated,
    NegotiatedMedia,
    user_part,
)

#: Ends of ours that are nobody's fault: somebody wanted it so.
CALLED_OFF = frozenset({EndReason.API_HUNG_UP, EndReason.DRAINING, EndReason.DRAIN_DEADLINE})


class OutboundCall(CallSession):
    """It holds its permit from construction, so that limits count it at once, until its end is told."""

    def __init__(self, call_id: str, wanted: Origination, admitted: Admit, house: House) -> None:
        now = time.monotonic()
        super().__init__(call_originated(call_id, wanted, now), house, State.ORIGINATED)
        self._wanted = wanted
        agent = with_variables(admitted.agent, wanted.variables)
        self._admitted = replace(admitted, action=ToAgent(agent))
        self._local: LocalMedia | None = None
        self._negotiated: NegotiatedMedia | None = None
        self._ring_deadline: float | None = None
        self._end_of_dialog: CallDisconnected | None = None
        self._has_rung_out = self._has_early_media = False
        self._permit = ExitStack()
        self._permit.enter_context(house.load.permit(admitted.trunk.name, now))

    def end(self, reason: EndReason, detail: str = "") -> None:
        if self._media is None:  # it is noticed before anybody is called
            self._telling.note_end(reason, 487, detail)
        super().end(reason, detail)

    def call_off(self) -> None:
        """The server is to stop: whoever hasn't answered yet is not called any more."""
        if self._telling.record.answered_at is None:
            self.end(EndReason.DRAINING, "the server is shutting down")

    # --- the story ----------------------------------------------------------------------------------

    async def _handle(self) -> None:
        try:
            with self._permit:
                self._tell_admission()
                with self._served(), rtp_ports(self._house) as pair:
                    if await self._get_ready(pair):
                        await self._converse()
        except CANT_BE_HAD as error:
            self._fail(error.sip_status, error.reason_code, str(error))
        finally:
            self._conclude()

    def _tell_admission(self) -> None:
        now, admitted = time.monotonic(), self._admitted
        trail = as_records(admitted.trail)
        routed = events.CallRouted(
            call_id=self.call_id, at=now, outcome="admitted", route=admitted.route, trail=trail
        )
        self._tell(routed)
        event = events.CallAdmitted(
            call_id=self.call_id, at=now, agent=admitted.agent.name, route=admitted.route
        )
        self._move(event)
        self._tell(event)

    async def _get_ready(self, pair: PortPair) -> bool:
        """Order the leg; false if there is nobody to be called. Raises `NoWorker`."""
        admitted, house = self._admitted, self._house
        try:
            self._local = await outgoing_media(house, admitted.trunk, self._wanted.to_uri, pair)
        except OSError as error:
            self._fail(503, ReasonCode.NO_ROUTE, str(error))
        if self._local is None or self._telling.end_reason is not None:
            return False
        recording = house.calls.recording_path(self.call_id) if is_recorded(admitted) else None
        detects = self._wanted.detects_machine or admitted.agent.answering_machine.detect
        order = leg_order(
            self.call_id,
            admitted,
            admitted.trunk.codecs[0],
            house.config,
            recording,
            detects_machine=detects,
        )
        order = replace_field(order, discards_early=True)
        await self._open_leg(order, pair, self._parties(admitted))
        return True

    def _parties(self, admitted: Admit) -> Parties:
        variables = self._wanted.variables
        agents: Mapping[str, AgentConfig] = {
            name: with_variables(agent, variables) for name, agent in self._house.config.agents.items()
        }
        return Parties(admitted.trunk, admitted.agent, agents)

    def _leg_ready(self) -> None:
        """Dial."""
        assert self._local is not None
        assert self._media is not None
        wanted, trunk = self._wanted, self._admitted.trunk
        if trunk.name not in self._house.config.trunks:
            self._never_placed(f"trunk {trunk.name} is no more")
            return
        try:
            caller = wanted.from_uri and uri_to_call_as(wanted.from_uri, trunk, self._local.address)
        except NotDiallable as why:
            self._never_placed(f"{wanted.from_uri} can't be shown as caller: {why}")
            return
        self._sip = self._house.place_call(
            trunk.name,
            wanted.to_uri,
            self._local,
            from_uri=caller,
            headers=wanted.headers,
            hide_caller=wanted.hide_caller,
        )
        self._media.use(self._sip)
        self._hear_peer(self._sip)
        now = time.monotonic()
        self._ring_deadline = now + wanted.ring_timeout_s
        self._tell(events.CallDialled(call_id=self.call_id, at=now))

    def _never_placed(self, why: str) -> None:
        """There is no dialog whose end would be that of the call."""
        self._telling.note_end(EndReason.SIGNALLING_FAILED, 503, why)
        self._inbox.put_nowait(CallDisconnected(503, why, by_remote=False))

    def _act(self, event: Happened, before: State) -> None:
        match event:
            case CallProgress():
                self._progressed(event)
            case MediaNegotiated() if before in CALLING:
                self._offered(event)
            case CallConfirmed() if before in CALLING:
                self._answered()
            case MediaNegotiated() | CallConfirmed() if self._state is State.HANGING_UP:
                pass  # an answer that crossed our CANCEL: pjsip ends what it began (RFC 3261, 15)
            case events.BackendDown() if before in CALLING:
                self.end(EndReason.BACKEND_LOST, f"{event.code}: {event.message}")
            case CallDisconnected():
                self._end_of_dialog = event
                super()._act(event, before)
            case _:
                super()._act(event, before)

    def _progressed(self, progress: CallProgress) -> None:
        assert self._sip is not None
        self._tell(
            events.CallProgressed(
                call_id=self.call_id,
                at=time.monotonic(),
                sip_status=progress.sip_status,
                reason=progress.reason,
                sip_call_id=self._sip.sip_call_id,
            )
        )

    def _offered(self, negotiated: MediaNegotiated) -> None:
        """SDP came, early or with the answer: of several, as forks send them, that of the answer is last."""
        self._negotiated = media = negotiated.media
        if negotiated.is_early and not self._has_early_media:
            self._has_early_media = True
            offered = events.EarlyMediaOffered(call_id=self.call_id, at=time.monotonic(), codec=media.codec)
            self._tell(offered)

    def _answered(self) -> None:
        assert self._negotiated is not None
        self._ring_deadline = None
        if self._telling.end_reason is not None:  # too late: it is hung up at once
            return
        self._limit_duration()
        self._media_negotiated(self._negotiated)

    def _on_timer(self, now: float) -> None:
        if self._ring_deadline is not None and self._ring_deadline <= now:
            self._ring_deadline = None
            if self._state in CALLING:
                self._has_rung_out = self._state is State.RINGING
                detail = f"nobody answered within {self._wanted.ring_timeout_s:g} s"
                self.end(EndReason.NOT_ANSWERED, detail)
        super()._on_timer(now)

    def _timers(self) -> Iterator[float | None]:
        yield self._ring_deadline
        yield from super()._timers()

    def _why_disconnected(self, event: CallDisconnected, state: State) -> EndReason:
        if state in CALLING:
            return EndReason.NOT_ANSWERED
        reason = super()._why_disconnected(event, state)
        return EndReason.CALLEE_HUNG_UP if reason is EndReason.CALLER_HUNG_UP else reason

    def _fail(
        self, sip_status: int, reason_code: ReasonCode, detail: str, retry_after_s: int | None = None
    ) -> None:
        """Nobody was called: there is nobody to be told but those who watch."""
        refused = events.CallRefused(
            call_id=self.call_id,
            at=time.monotonic(),
            sip_status=sip_status,
            reason_code=reason_code,
            detail=detail,
        )
        self._move(refused)
        if self._telling.end_reason is None:
            self._telling.note_end(EndReason.REFUSED, sip_status, detail)
            self._tell(refused)

    def _conclude(self) -> None:
        gone = self._end_of_dialog
        sip_call_id = self._sip.sip_call_id if self._sip is not None else ""
        self._telling.conclude(self._outcome(), gone.q850 if gone is not None else None, sip_call_id)

    def _outcome(self) -> Outcome:
        if self._telling.record.answered_at is not None:
            return Outcome.ANSWERED
        reason, gone = self._telling.end_reason, self._end_of_dialog
        if reason in CALLED_OFF:
            return Outcome.CANCELLED
        if reason != EndReason.NOT_ANSWERED or gone is None:
            return Outcome.FAILED
        return outcome_of(gone.sip_status, gone.q850, timed_out=self._has_rung_out, by_remote=gone.by_remote)


def call_originated(call_id: str, wanted: Origination, now: float) -> events.CallOriginated:
    """The first event of an outbound call."""
    caller = wanted.from_uri or ""
    return events.CallOriginated(
        call_id=call_id,
        at=now,
        trunk=wanted.trunk,
        from_number=user_part(caller) or caller,
        to_number=user_part(wanted.to) or wanted.to,
        to_uri=wanted.to_uri,
        dial_id=wanted.dial_id,
        attempt=wanted.attempt,
        tenant=wanted.tenant,
    )
