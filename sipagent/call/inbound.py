"""A call that comes in: judged, then rung, then answered once its agent is ready, or refused."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

from sipagent import events
from sipagent.call import offering
from sipagent.call.admission import incoming
from sipagent.call.admission.decision import Admit, Decision, Redirect, Refuse, as_records
from sipagent.call.admission.origin import trunk_of
from sipagent.call.directors.director import Accept, Command, Reject
from sipagent.call.house import House
from sipagent.call.order import expected_codec, is_recorded, leg_order
from sipagent.call.place import local_media, rtp_ports
from sipagent.call.session import CANT_BE_HAD, CallSession, Happened
from sipagent.call.state import State
from sipagent.call.telling import call_received
from sipagent.call.transfer.handing_on import HandingOn
from sipagent.errors import EndReason, ReasonCode, SdpError
from sipagent.sip import sdp
from sipagent.sip.call import SipCall
from sipagent.sip.identity import identified
from sipagent.sip.messages import CallDisconnected, LocalMedia, OfferedAudio
from sipagent.sip.sdp import SessionDescription


class InboundCall(CallSession):
    """`sip` has rung here with an INVITE."""

    def __init__(self, call_id: str, sip: SipCall, house: House) -> None:
        assert sip.invite is not None
        now = time.monotonic()
        trunk = trunk_of(sip.invite, house.config, house.registered_sources())
        self._invite = sip.invite if trunk is None else identified(sip.invite, trunk.caller_id)
        self._sdp_offer: SessionDescription | None = None
        self._decision = self._decide(house, now)
        self._local: LocalMedia | None = None
        self._handing_on: HandingOn | None = None
        super().__init__(call_received(call_id, self._invite, trunk.name if trunk else None, now), house)
        self._sip: SipCall = sip
        self._telling.follow(sip.messages)

    def _decide(self, house: House, now: float) -> Decision:
        offered: OfferedAudio | None = None
        if self._invite.offer is not None:
            try:
                self._sdp_offer = sdp.parse(self._invite.offer)
                offered = self._sdp_offer.offered
            except SdpError:
                offered = OfferedAudio(())
        load = replace(house.load.snapshot(), exceeded=house.costs.exceeded(house.config))
        sources = house.registered_sources()
        return incoming.decide(self._invite, offered, load, house.config, sources, now)

    async def _handle(self) -> None:
        self._tell_route()
        match self._decision:
            case Refuse():
                self._refuse(self._decision)
            case Redirect():
                self._redirect(self._decision)
            case Admit():
                with self._house.load.permit(self._decision.trunk.name, self._began):
                    await self._serve(self._decision)

    def _tell_route(self) -> None:
        decided = self._decision
        outcome: Literal["admitted", "redirected", "refused"] = "admitted"
        if not isinstance(decided, Admit):
            outcome = "refused" if isinstance(decided, Refuse) else "redirected"
        trail = as_records(decided.trail)
        now = time.monotonic()
        self._tell(
            events.CallRouted(call_id=self.call_id, at=now, outcome=outcome, route=decided.route, trail=trail)
        )

    def _redirect(self, decided: Redirect) -> None:
        self._sip.redirect(decided.sip_status, decided.targets)
        redirected = events.CallRedirected(
            call_id=self.call_id,
            at=time.monotonic(),
            sip_status=decided.sip_status,
            targets=list(decided.targets),
            route=decided.route,
        )
        self._telling.note_end(EndReason.REDIRECTED, decided.sip_status, "")
        self._move(redirected)
        self._tell(redirected)

    def _refuse(self, refused: Refuse) -> None:
        self._sip.refuse(
            refused.sip_status,
            reason_code=refused.reason_text,
            retry_after_s=refused.retry_after_s,
            phrase=refused.phrase,
        )
        self._tell_refusal(refused.sip_status, refused.reason_code, refused.detail)

    async def _serve(self, admitted: Admit) -> None:
        admission_event = events.CallAdmitted(
            call_id=self.call_id, at=time.monotonic(), agent=admitted.agent.name, route=admitted.route
        )
        self._move(admission_event)
        self._tell(admission_event)
        self._sip.ring()
        try:
            with self._served(), rtp_ports(self._house) as pair:
                self._hear_peer(self._sip)
                if admitted.agent.accept == "manual":
                    accepted = await self._offer(admitted)
                    if accepted is None:
                        return
                    admitted = accepted
                self._handing_on = HandingOn(admitted.action)
                peer_ip = self._invite.source_ip
                self._local = await local_media(self._house, admitted.trunk, peer_ip, self._sdp_offer, pair)
                recording = self._house.calls.recording_path(self.call_id) if is_recorded(admitted) else None
                codec = expected_codec(self._sdp_offer, admitted.trunk)
                order = leg_order(self.call_id, admitted, codec, self._house.config, recording)
                media = await self._open_leg(order, pair, self._parties(admitted))
                media.use(self._sip)
                await self._converse()
        except CANT_BE_HAD as error:
            self._fail(error.sip_status, error.reason_code, str(error))

    async def _offer(self, admitted: Admit) -> Admit | None:
        """Ring until somebody outside has said what is to become of the call; None if it is over."""
        agent, now = admitted.agent, time.monotonic()
        self._publish_move(
            events.CallOffered(
                call_id=self.call_id, at=now, timeout_s=agent.manual_timeout_s, default=agent.manual_default
            )
        )
        said = await offering.word_on(self._inbox.get, agent)
        match said if said is not None else offering.default_of(agent):
            case Reject(sip_status=sip_status, reason_code=reason_code, detail=detail):
                self._fail(sip_status, reason_code, detail)
            case CallDisconnected() as gone:
                self._move(gone)
                self._telling.note_end(EndReason.CALLER_CANCELLED, gone.sip_status, "")
            case Accept() as word:
                chosen = offering.agent_for(word, agent, self._house.config)
                now = time.monotonic()
                self._publish_move(
                    events.CallAccepted(
                        call_id=self.call_id, at=now, agent=chosen.name, by_default=said is None
                    )
                )
                return replace(admitted, action=replace(admitted.action, agent=chosen))
        return None

    def _publish_move(self, event: events.CallOffered | events.CallAccepted) -> None:
        self._move(event)
        self._tell(event)

    def do(self, command: Command) -> None:
        if self._state is State.OFFERED:
            self._inbox.put_nowait(offering.as_word(command, self._house.config))
        else:
            super().do(command)

    def end(self, reason: EndReason, detail: str = "") -> None:
        if self._state is State.OFFERED:
            self._inbox.put_nowait(offering.of_end(reason, detail))
        else:
            super().end(reason, detail)

    def _take(self, event: Happened) -> None:
        super()._take(event)
        if self._handing_on is not None and (transfer := self._handing_on.after(event)) is not None:
            self.do(transfer)

    def _leg_ready(self) -> None:
        assert self._local is not None
        self._limit_duration()
        try:
            self._sip.answer(self._local, self._sdp_offer)
        except SdpError as error:  # an offer that passed admission and still can't be answered
            self._fail(error.sip_status, error.reason_code, str(error))

    def _fail(
        self, sip_status: int, reason_code: ReasonCode, detail: str, retry_after_s: int | None = None
    ) -> None:
        self._sip.refuse(sip_status, reason_code=reason_code, retry_after_s=retry_after_s)
        self._tell_refusal(sip_status, reason_code, detail)

    def _tell_refusal(self, sip_status: int, reason_code: ReasonCode, detail: str) -> None:
        refused = events.CallRefused(
            call_id=self.call_id,
            at=time.monotonic(),
            sip_status=sip_status,
            reason_code=reason_code,
            detail=detail,
        )
        self._telling.note_end(EndReason.REFUSED, sip_status, detail)
        self._move(refused)
        self._tell(refused)
