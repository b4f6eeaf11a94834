"""One SIP call: what its owner may do with it, and the events that come of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable

from sipagent.errors import ReasonCode, SdpError
from sipagent.sip import negotiation, sdp
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    CallProgress,
    IncomingInvite,
    InfoDigit,
    LocalMedia,
    MediaNegotiated,
    NegotiatedMedia,
    SipEvent,
)
from sipagent.sip.pjsua import PjAccount, PjCall, PjError

logger = logging.getLogger("sipagent.sip")

#: A peer that sends more than the call's owner reads loses the oldest; the last event always gets through.
EVENT_QUEUE_SIZE = 64
Headers = Iterable[tuple[str, str]]


class SipCall:
    """A call, inbound (`invite` is there) or outbound. Ends with `CallDisconnected`; does nothing after it.

    `next_event` has one reader. All methods return at once: what the peer says to them comes as an event.
    """

    def __init__(self, invite: IncomingInvite | None, on_ended: Callable[[SipCall], None]) -> None:
        self.invite = invite
        self.sip_call_id = invite.sip_call_id if invite else ""
        self._on_ended = on_ended
        self._events: asyncio.Queue[SipEvent] = asyncio.Queue(EVENT_QUEUE_SIZE)
        self._pj: PjCall | None = None
        self._local: LocalMedia | None = None
        self._agreed: NegotiatedMedia | None = None  # by an answer of ours
        self._reply: str | None = None  # the answer to a new offer, until it is sent
        self._session_id = secrets.randbits(62)
        self._version = 0
        self._has_media = False
        self._ended_by_us = False

    async def next_event(self) -> SipEvent:
        return await self._events.get()

    def ring(self) -> None:
        """180 Ringing."""
        self._respond(180)

    def answer(self, local: LocalMedia) -> NegotiatedMedia | None:
        """200 OK with our SDP. None for a late offer: its `MediaNegotiated` comes after the ACK.

        Raises `NoCommonCodec` or `SdpError` with nothing sent: the call is then still to be refused.
        """
        assert self.invite is not None, "only an inbound call can be answered"
        self._local = local
        if self.invite.offer is None:
            self._respond(200)
            return None
        text, self._agreed = self._answer_to(self.invite.offer, local)
        self._respond(200, text)
        return self._agreed

    def refuse(self, sip_status: int, *, reason_code: ReasonCode, retry_after_s: int | None = None) -> None:
        """A final answer other than 200, with the rule that refused the call in its Reason header."""
        headers = [_reason(sip_status, reason_code)]
        if retry_after_s is not None:
            headers.append(("Retry-After", str(retry_after_s)))
        self._end(sip_status, headers)

    def hang_up(self, *, sip_status: int = 480, reason_code: str | None = None) -> None:
        """BYE, CANCEL or, with `sip_status`, a final answer: whatever the state of the call asks for."""
        self._end(sip_status, [] if reason_code is None else [_reason(sip_status, reason_code)])

    # --- for the agent alone ------------------------------------------------------------------------

    def attach(self, pj_call: PjCall) -> None:
        """Take over the dialog that this call is about."""
        self._pj = pj_call

    def place(
        self, account: PjAccount, uri: str, local: LocalMedia, from_uri: str | None, headers: Headers
    ) -> None:
        """Send an INVITE. Raises `PjError`."""
        self._local = local
        self._pj = PjCall(account, self)
        self._pj.place(uri, headers, from_uri)
        self.sip_call_id = self._pj.sip_call_id

    def release(self) -> None:
        """Let go of the dialog, which ends it if need be. Never to be called from within pjsua2."""
        self._pj = None

    # --- what pjsua2 reports (see `pjsua.CallHandler`) ----------------------------------------------

    def on_state(self, state: str, sip_status: int, reason: str, by_remote: bool) -> None:
        if state == "EARLY" and self.invite is None:
            self._emit(CallProgress(sip_status, reason))
        elif state == "CONFIRMED":
            self._emit(CallConfirmed())
            if not self._has_media:
                logger.warning("call %s: our offer was never answered", self.sip_call_id)
                self._end_soon(488, ReasonCode.BAD_OFFER)
        elif state == "DISCONNECTED":
            self._emit(CallDisconnected(sip_status, reason, by_remote and not self._ended_by_us))
            self._on_ended(self)

    def on_offer(self, offer: str) -> int:
        assert self._local is not None
        try:
            self._reply, self._agreed = self._answer_to(offer, self._local)
        except SdpError as error:
            logger.warning("call %s: new offer refused: %s", self.sip_call_id, error)
            return error.sip_status
        return 200

    def local_sdp(self) -> str | None:
        if self._local is None:  # pjsua2 prepares an answer of its own before it tells us of the INVITE
            return None
        if self._reply is not None:
            text, self._reply = self._reply, None
            return text
        self._agreed = None
        return negotiation.offer(self._local, session_id=self._session_id, version=self._next_version())

    def on_media(self, stream: NegotiatedMedia | None) -> None:
        media = self._agreed or stream
        if media is not None:
            self._has_media = True
            self._emit(MediaNegotiated(media))

    def on_sent(self, message: str) -> None:
        """pjsua2 falls back to SDP of its own when it can't parse ours: no call may live on with that."""
        if self._local is None or "\nm=audio " not in message:
            return
        if f"\nm=audio {self._local.rtp_port} " not in message:
            logger.error("call %s: SDP that is not ours went out; ending the call", self.sip_call_id)
            self.on_callback_failed()

    def on_info_digit(self, digit: str, duration_ms: int) -> None:
        self._emit(InfoDigit(digit, duration_ms))

    def on_callback_failed(self) -> None:
        self._end_soon(500, ReasonCode.INTERNAL_ERROR)

    # ------------------------------------------------------------------------------------------------

    def _answer_to(self, offer: str, local: LocalMedia) -> tuple[str, NegotiatedMedia]:
        description = sdp.parse(offer)
        return negotiation.answer(
            description, local, session_id=self._session_id, version=self._next_version()
        )

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    def _respond(self, sip_status: int, text: str = "") -> None:
        if self._pj is None or self._ended_by_us:
            return
        try:
            self._pj.respond(sip_status, text)
        except PjError as error:  # a CANCEL came first: its CallDisconnected tells
            logger.info("call %s: %d not sent: %s", self.sip_call_id, sip_status, error)

    def _end_soon(self, sip_status: int, reason_code: ReasonCode) -> None:
        """End the call when pjsua2 is done with what it is in the middle of."""
        headers = [_reason(sip_status, reason_code)]
        asyncio.get_running_loop().call_soon(self._end, sip_status, headers)

    def _end(self, sip_status: int, headers: Headers) -> None:
        if self._pj is None or self._ended_by_us:
            return
        self._ended_by_us = True
        try:
            self._pj.end(sip_status, headers)
        except PjError as error:
            logger.info("call %s: could not be ended: %s", self.sip_call_id, error)

    def _emit(self, event: SipEvent) -> None:
        if self._events.full():
            logger.warning("call %s: event lost: %s", self.sip_call_id, self._events.get_nowait())
        self._events.put_nowait(event)


def _reason(sip_status: int, reason_code: str) -> tuple[str, str]:
    """A Reason header (RFC 3326) that names the rule."""
    return "Reason", f'SIP;cause={sip_status};text="{reason_code}"'
