"""One call, from INVITE to record: where SIP and a media worker meet.

Everything that happens to the call comes through one inbox and moves one state (`call.state`). Whoever wants
to end the call closes its leg; the leg's last event then ends the signalling. So every call ends once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rtp.ports import PortPair, PortsExhausted
from sipagent import events, logs
from sipagent.call import admission
from sipagent.call.admission import Admit, Refuse
from sipagent.call.dialling import Dialling
from sipagent.call.house import House
from sipagent.call.order import is_recorded, keeps_digits, leg_order, rtp_params
from sipagent.call.place import local_media
from sipagent.call.state import State, next_state
from sipagent.call.telling import Telling, call_received
from sipagent.errors import EndReason, NoRtpPort, NoWorker, ReasonCode, SdpError
from sipagent.sip import sdp
from sipagent.sip.call import SipCall
from sipagent.sip.messages import (
    CallDisconnected,
    InfoDigit,
    LocalMedia,
    MediaNegotiated,
    NegotiatedMedia,
    OfferedAudio,
    SipEvent,
)
from sipagent.worker.supervisor import LegHandle

log = logs.get_logger(__name__)


class CallSession:
    """One object per call; it dies with the call."""

    def __init__(self, call_id: str, sip: SipCall, house: House) -> None:
        assert sip.invite is not None
        self.call_id = call_id
        self._sip = sip
        self._invite = sip.invite
        self._house = house
        self._began = time.monotonic()
        self._state = State.RECEIVED
        # Not bounded by itself: its writers are our own worker and SipCall's bounded queue.
        self._inbox: asyncio.Queue[events.LegEvent | SipEvent] = asyncio.Queue()
        self._leg: LegHandle | None = None
        self._dialling: Dialling | None = None
        self._media: NegotiatedMedia | None = None
        self._deadline: float | None = None
        self._decision = self._decide()
        trunk = self._decision.trunk
        self._symmetric_rtp = trunk.symmetric_rtp if trunk else True
        received = call_received(call_id, self._invite, trunk.name if trunk else None, self._began)
        self._telling = Telling(received, house)

    # --- the story ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """From the decision to the record on disk."""
        if isinstance(self._decision, Refuse):
            refused = self._decision
            self._refuse(refused.sip_status, refused.reason_code, refused.detail, refused.retry_after_s)
        else:
            with self._house.load.permit(self._decision.trunk.name, self._began):
                await self._serve(self._decision)
        await self._telling.end()

    def end(self, reason: EndReason, detail: str = "") -> None:
        """End the call from our side, whatever it is doing."""
        if self._leg is not None and self._state is not State.ENDED:
            self._telling.note_end(reason, 503 if self._state is State.PREPARING else 200, detail)
            self._leg.close(reason)

    def send_digits(self, digits: str) -> None:
        """Press keys (0-9, *, #, A-D) towards the peer. Raises ValueError, with none sent, for others."""
        if self._dialling is None or self._media is None:
            raise ValueError("nobody has answered yet")
        assert isinstance(self._decision, Admit)
        method = self._dialling.press(digits, self._media.dtmf_payload_type is not None)
        shown = digits if keeps_digits(self._decision) else events.MASKED
        sent = events.DigitsSent(call_id=self.call_id, at=time.monotonic(), digits=shown, method=method)
        self._telling.publish(sent)

    async def abandon(self) -> None:
        """What is left to do for a call whose task failed: end both sides, and keep the record."""
        self._telling.note_end(EndReason.INTERNAL_ERROR, 500, "")
        self._sip.hang_up(sip_status=500, reason_code=ReasonCode.INTERNAL_ERROR)
        if self._leg is not None:
            self._leg.close(EndReason.INTERNAL_ERROR)
        await self._telling.end()

    async def _serve(self, admitted: Admit) -> None:
        admission_event = events.CallAdmitted(
            call_id=self.call_id, at=time.monotonic(), agent=admitted.agent.name, route=admitted.route
        )
        self._move(admission_event)
        self._telling.publish(admission_event)
        self._sip.ring()
        hearing = asyncio.create_task(self._hear_sip())
        try:
            with self._rtp_ports() as pair:
                local = await self._open_leg(admitted, pair)
                await self._converse(local, self._max_duration_s(admitted))
        except (NoRtpPort, NoWorker, SdpError) as error:
            self._refuse(error.sip_status, error.reason_code, str(error))
        finally:
            hearing.cancel()
            if self._dialling is not None:
                self._dialling.close()

    async def _hear_sip(self) -> None:
        while True:
            self._inbox.put_nowait(await self._sip.next_event())

    async def _converse(self, local: LocalMedia, max_duration_s: int) -> None:
        while self._state is not State.ENDED:
            try:
                async with asyncio.timeout_at(self._deadline):
                    event = await self._inbox.get()
            except TimeoutError:
                self._deadline = None
                self.end(EndReason.MAX_DURATION, f"{max_duration_s} s")
                continue
            before = self._state
            self._move(event)
            if isinstance(event, events.CallEvent):
                self._telling.publish(event)
            if self._state is State.ANSWERED and before is State.PREPARING:
                self._deadline = asyncio.get_running_loop().time() + max_duration_s
                self._answer(local)
            else:
                self._act(event, before)

    def _act(self, event: events.LegEvent | SipEvent, before: State) -> None:
        """What an event leads to, beyond the state it moves to."""
        match event:
            case MediaNegotiated():
                self._media_negotiated(event.media)
            case events.LegFailed() if before is State.PREPARING:
                self._refuse(event.sip_status, ReasonCode(event.reason_code), event.detail)
            case events.LegEnded() if before is State.PREPARING:
                self._refuse(503, ReasonCode.NO_WORKER, event.reason)
            case events.LegEnded():
                self._telling.note_end(event.reason, 200, event.detail)
                if self._state is State.HANGING_UP:
                    self._sip.hang_up(reason_code=event.reason)
            case InfoDigit() if self._leg is not None:
                self._leg.press(event.digit, event.duration_ms)
            case CallDisconnected():
                reason = why_disconnected(event, before)
                self._telling.note_end(reason, event.sip_status, "" if event.by_remote else event.reason)
                if self._leg is not None:
                    self._leg.close(reason)

    # --- steps --------------------------------------------------------------------------------------

    def _decide(self) -> admission.Decision:
        house = self._house
        offered: OfferedAudio | None = None
        if self._invite.offer is not None:
            try:
                offered = sdp.parse(self._invite.offer).offered
            except SdpError:
                offered = OfferedAudio(())
        return admission.decide(
            self._invite,
            offered,
            house.load.snapshot(),
            house.config,
            house.registered_sources(),
            self._began,
        )

    @contextmanager
    def _rtp_ports(self) -> Iterator[PortPair]:
        try:
            pair = self._house.ports.acquire(time.monotonic())
        except PortsExhausted as error:
            raise NoRtpPort(str(error)) from error
        try:
            yield pair
        finally:
            self._house.ports.release(pair, time.monotonic())

    async def _open_leg(self, admitted: Admit, pair: PortPair) -> LocalMedia:
        local = await local_media(self._house, admitted.trunk, self._invite, pair)
        recording = self._house.calls.recording_path(self.call_id) if is_recorded(admitted) else None
        order = leg_order(self.call_id, admitted, self._invite, self._house.config, recording)
        sockets = (pair.rtp_sock, pair.rtcp_sock)
        self._leg = self._house.workers.open_leg(order, sockets, self._inbox.put_nowait)
        self._dialling = Dialling(self._sip, self._leg, admitted.trunk.dtmf.send)
        await self._telling.open(recording)
        return local

    def _max_duration_s(self, admitted: Admit) -> int:
        most = self._house.config.limits.max_call_duration_s
        return min(most, admitted.agent.max_call_duration_s or most)

    def _answer(self, local: LocalMedia) -> None:
        try:
            self._sip.answer(local)
        except SdpError as error:  # an offer that passed admission and still can't be answered
            self._refuse(error.sip_status, error.reason_code, str(error))

    def _media_negotiated(self, media: NegotiatedMedia) -> None:
        assert self._leg is not None
        now, suite = time.monotonic(), media.srtp.suite if media.srtp else None
        if self._telling.record.answered_at is None:
            self._telling.publish(
                events.CallAnswered(call_id=self.call_id, at=now, codec=media.codec, srtp=suite)
            )
        else:
            self._telling.publish(
                events.MediaUpdated(
                    call_id=self.call_id, at=now, codec=media.codec, srtp=suite, direction=media.direction
                )
            )
        if suite is not None and self._invite.transport != "tls":
            log.warning("srtp_keys_in_clear", transport=self._invite.transport)
        self._note_hold(media)
        params = rtp_params(
            media, strict_source=not self._symmetric_rtp, signalling_host=self._invite.source_ip
        )
        self._leg.start(params)

    def _note_hold(self, media: NegotiatedMedia) -> None:
        """Tell when the peer puts the call on hold, and when it takes it up again."""
        before, self._media = self._media, media
        was_held = before is not None and before.direction != "sendrecv"
        now = time.monotonic()
        if media.direction != "sendrecv" and not was_held:
            self._telling.publish(events.CallHeld(call_id=self.call_id, at=now, direction=media.direction))
        elif media.direction == "sendrecv" and was_held:
            self._telling.publish(events.CallResumed(call_id=self.call_id, at=now))

    def _refuse(
        self, sip_status: int, reason_code: ReasonCode, detail: str, retry_after_s: int | None = None
    ) -> None:
        self._sip.refuse(sip_status, reason_code=reason_code, retry_after_s=retry_after_s)
        refused = events.CallRefused(
            call_id=self.call_id,
            at=time.monotonic(),
            sip_status=sip_status,
            reason_code=reason_code,
            detail=detail,
        )
        self._telling.note_end(EndReason.REFUSED, sip_status, detail)
        self._move(refused)
        self._telling.publish(refused)

    def _move(self, event: object) -> None:
        self._state = next_state(self._state, type(event))


def why_disconnected(event: CallDisconnected, state: State) -> EndReason:
    """What a disconnection says about the end of a call that was in `state`."""
    if not event.by_remote:
        return EndReason.SIGNALLING_FAILED
    return EndReason.CALLER_CANCELLED if state is State.PREPARING else EndReason.CALLER_HUNG_UP
