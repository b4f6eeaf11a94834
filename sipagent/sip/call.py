"""One SIP call: what its owner may do with it, and the events that come of it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from sipagent.errors import ReasonCode, ReinviteFailed
from sipagent.sip.exchange import SdpExchange
from sipagent.sip.ladder import MessageLog
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    IncomingInvite,
    LocalMedia,
    NegotiatedMedia,
    OutgoingInvite,
    ReferReported,
    SipEvent,
)
from sipagent.sip.pjsua import PjAccount, PjCall, PjError, reason
from sipagent.sip.placing import Placing, Way
from sipagent.sip.replies import contacts, retry_after_s
from sipagent.sip.reports import Reports
from sipagent.sip.sdp import SessionDescription

logger = logging.getLogger("sipagent.sip")

#: A peer that sends more than the call's owner reads loses the oldest; the last event always gets through.
EVENT_QUEUE_SIZE = 64
Headers = Iterable[tuple[str, str]]
GIVEN_UP = CallDisconnected(487, "given up", by_remote=False)
LOST = CallDisconnected(500, "pjsip has lost the dialog", by_remote=False)
UNHEARD = CallDisconnected(408, "no server has answered", by_remote=False)


class SipCall:
    """A call, inbound (`invite` is there) or outbound. Ends with `CallDisconnected`; does nothing after it.

    `next_event` has one reader. All other methods return at once: what the peer makes of them is an event.
    """

    def __init__(self, invite: IncomingInvite | None, on_ended: Callable[[SipCall], None]) -> None:
        self.invite = invite
        self.sip_call_id = invite.sip_call_id if invite else ""
        self._pj: PjCall | None = None
        self._account: PjAccount | None = None
        self._sdp = SdpExchange()
        self.messages = MessageLog()
        self._attempt = 0
        self._placing: Placing | None = None
        self._given_up: list[PjCall] = []
        self._missed: PjCall | None = None
        self._events: asyncio.Queue[SipEvent] = asyncio.Queue(EVENT_QUEUE_SIZE)
        self._on_ended = on_ended
        self._ending = False
        self._is_over = False
        self._held_before: bool | None = None

    async def next_event(self) -> SipEvent:
        return await self._events.get()

    def ring(self) -> None:
        """180 Ringing."""
        self._respond(180)

    def answer(self, local: LocalMedia, offer: SessionDescription | None) -> NegotiatedMedia | None:
        """200 OK with our SDP, for the INVITE's offer. None for a late offer: its `MediaNegotiated` comes
        after the ACK.

        Raises `NoCommonCodec` or `SdpError` with nothing sent: the call is then still to be refused.
        """
        assert self.invite is not None, "only an inbound call can be answered"
        text, agreed = ("", None) if offer is None else self._sdp.answer(offer, local)
        self._sdp.local = local
        self._respond(200, text)
        return agreed

    def move(self, address: str) -> None:
        """Tell the peer by a re-INVITE that our address is another one now; its answer is an event."""
        if self._pj is None or self._ending or self._sdp.local is None:
            return
        self._sdp.local = replace(self._sdp.local, address=address)
        self._reoffer()

    def hold(self, held: bool) -> None:
        """Put the peer on hold by a re-INVITE, or take it up again; its answer is an event.

        Raises `ReinviteFailed` if that can't be done now: one may be on its way already.
        """
        if self._pj is None or self._ending or self._sdp.local is None:
            return
        self._held_before, self._sdp.local = self.holds, replace(self._sdp.local, held=held)
        try:
            self._pj.reoffer()
        except PjError as error:
            self._keep_hold()
            raise ReinviteFailed(reason(error)) from None

    @property
    def holds(self) -> bool:
        """Have we put the peer on hold?"""
        return self._sdp.local is not None and self._sdp.local.held

    def refer(self, refer_to: str, replacing: SipCall | None = None) -> None:
        """Ask the peer to call somebody else; how it gets on comes in `ReferReported`.

        With `replacing`, a call of ours that stands, it is to take our place in that one, whoever is there.
        """
        if self._pj is None or self._ending:
            return
        try:
            if replacing is not None and replacing._pj is not None:
                self._pj.refer_to_peer_of(replacing._pj)
            else:
                self._pj.refer(refer_to)
        except PjError as error:
            self._emit(ReferReported(500, reason(error)))

    def refuse(
        self, sip_status: int, *, reason_code: str, retry_after_s: int | None = None, phrase: str = ""
    ) -> None:
        """A final answer other than 200, with the rule that refused the call in its Reason header.

        `phrase` stands in the status line instead of SIP's own words.
        """
        retry_after = [] if retry_after_s is None else [("Retry-After", str(retry_after_s))]
        self._end(sip_status, reason_code, retry_after, phrase)

    def redirect(self, sip_status: int, targets: Sequence[str]) -> None:
        """A 3xx that tells the peer where to call instead, best first (RFC 3261 section 8.3)."""
        self._end(sip_status, None, [("Contact", contact) for contact in contacts(targets)])

    def hang_up(self, *, sip_status: int = 480, reason_code: str | None = None) -> None:
        """BYE, CANCEL or, with `sip_status`, a final answer: whatever the state of the call asks for."""
        self._end(sip_status, reason_code)

    def send_digit(self, digit: str, duration_ms: int) -> None:
        """A DTMF digit by SIP INFO (application/dtmf-relay). One that can't be sent is lost."""
        if self._pj is None or self._ending:
            return
        try:
            self._pj.send_digit(digit, duration_ms)
        except PjError as error:
            logger.warning("call %s: a digit could not be sent: %s", self.sip_call_id, reason(error))

    # --- for the agent alone ------------------------------------------------------------------------

    @property
    def account(self) -> PjAccount | None:
        """The account that the call goes over."""
        return self._account

    def take(self, account: PjAccount, call_id: int) -> None:
        """Take over the dialog that an INVITE has begun."""
        self._account = account
        self._pj = PjCall(account, self._reports(), call_id)

    def place(self, invite: OutgoingInvite, way: Way) -> None:
        """Send an INVITE, by the servers of `way` until one takes it. One that can't be sent has failed."""
        if self._ending:
            return
        self._placing = Placing(way, partial(self._dial, invite), self.fail)
        self._placing.start()

    def fail(self, end: CallDisconnected) -> None:
        """Nothing came of the call."""
        self._placing = None
        self._emit(end)

    def look_after(self) -> None:
        """End the call if pjsip has dropped its dialog without a word; to be called every second or so.

        The two ways that are known have been closed in the build of ours (`pjsua2/*.patch`); this stays for
        other builds, and because a call that nobody ends would keep its leg and its place for good.
        """
        gone = self._pj if self._pj is not None and not self._pj.isActive() else None
        if gone is not None and gone is self._missed:  # the first time, its report may be on its way
            logger.warning("call %s: pjsip has lost its dialog", self.sip_call_id)
            self.fail(LOST)
        self._missed = gone
        # In other builds, one let go after its place was taken again would end the call that has it now.
        self._given_up = [call for call in self._given_up if call.isActive()]

    def release(self) -> None:
        """Let go of the dialog, which ends it if need be. Never to be called from within pjsua2."""
        self._pj = self._placing = None
        self._given_up.clear()

    # ------------------------------------------------------------------------------------------------

    def _dial(self, invite: OutgoingInvite, account: PjAccount) -> None:
        if self._ending:
            self.fail(GIVEN_UP)
            return
        before, self._account = self._pj, account
        self._sdp = SdpExchange(invite.local)
        reports = self._reports()
        if before is not None:
            self._abandon(before)
        self._pj = PjCall(account, reports)
        try:
            self._pj.place(invite.uri, invite.headers, invite.from_uri)
            self.sip_call_id = self._pj.sip_call_id
        except PjError as error:
            self._emit(CallDisconnected(503, reason(error), by_remote=False))

    def _reports(self) -> Reports:
        """Of a new attempt: what others still tell is nobody's business."""
        self._attempt += 1
        emit = partial(self._emit, attempt=self._attempt)
        return Reports(self._sdp, emit, self._end, self.messages, self._on_answer)

    def _abandon(self, unanswered: PjCall) -> None:
        """Give up what a server left without an answer; pjsip sees to one that comes yet."""
        self._given_up.append(unanswered)
        try:
            unanswered.end(487, ())
        except PjError as error:
            logger.debug("call %s: nothing left to give up: %s", self.sip_call_id, reason(error))

    def _on_answer(self, sip_status: int, message: str) -> None:
        if self._placing is not None:
            self._placing.on_answer(sip_status, retry_after_s(message))
        elif sip_status == 491:
            self._reoffer_later()
        elif 200 <= sip_status < 300:
            self._held_before = None
        elif sip_status >= 300 and sip_status not in (401, 407):
            self._keep_hold()

    def _keep_hold(self) -> None:
        """What we wanted of the peer by a re-INVITE is not to be: the call is held, or not, as it was."""
        if self._held_before is not None and self._sdp.local is not None:
            self._sdp.local = replace(self._sdp.local, held=self._held_before)
            self._held_before = None

    def _reoffer(self) -> None:
        if self._pj is None or self._ending:
            return
        try:
            self._pj.reoffer()
        except PjError as error:
            logger.warning("call %s: our new offer can't be sent: %s", self.sip_call_id, reason(error))

    def _reoffer_later(self) -> None:
        """Both sides had an offer at once: who began the call waits longer (RFC 3261, 14.1)."""
        delay_s = random.uniform(2.1, 4.0) if self.invite is None else random.uniform(0.0, 2.0)
        asyncio.get_running_loop().call_later(delay_s, self._reoffer)

    def _respond(self, sip_status: int, text: str = "") -> None:
        if self._pj is None or self._ending:
            return
        try:
            self._pj.respond(sip_status, text)
        except PjError as error:
            logger.error("call %s: %d could not be sent: %s", self.sip_call_id, sip_status, reason(error))
            self._end(500, ReasonCode.INTERNAL_ERROR)

    def _end(self, sip_status: int, reason_code: str | None, headers: Headers = (), phrase: str = "") -> None:
        if self._ending:
            return
        self._ending = True
        if self._placing is not None:
            self._placing.stop()
        if self._pj is None:  # its host is still looked up
            asyncio.get_running_loop().call_soon(self.fail, GIVEN_UP)
            return
        cause = [] if reason_code is None else [("Reason", f'SIP;cause={sip_status};text="{reason_code}"')]
        self.messages.note_end(sip_status, [*cause, *headers], time.monotonic())
        try:
            self._pj.end(sip_status, [*cause, *headers], phrase)
        except PjError as error:
            logger.info("call %s: could not be ended: %s", self.sip_call_id, reason(error))
        if self._placing is not None and not self._placing.is_taken:
            # There is no CANCEL before a server has answered (RFC 3261, 9.1), and nobody is to wait for that:
            # pjsip sends it if one answers yet, and forgets the INVITE after 64 T1 if none does.
            asyncio.get_running_loop().call_soon(self.fail, UNHEARD)

    def _emit(self, event: SipEvent, attempt: int | None = None) -> None:
        """Tell of an event, of this attempt or of the call."""
        if self._is_over or attempt not in (None, self._attempt):
            return
        if isinstance(event, CallDisconnected) and self._placing and not self._ending:
            if self._placing.fails_over(event):
                return
        elif isinstance(event, CallConfirmed):
            self._placing = None
        if self._events.full():
            logger.warning("call %s: event lost: %s", self.sip_call_id, self._events.get_nowait())
        self._events.put_nowait(event)
        if isinstance(event, CallDisconnected):
            self._ending = self._is_over = True
            self._on_ended(self)
