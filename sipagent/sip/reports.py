"""What pjsua2 reports of one call, as the events of that call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sipagent.errors import ReasonCode, SdpError
from sipagent.sip.exchange import SdpExchange
from sipagent.sip.ladder import MessageLog
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    CallProgress,
    InfoDigit,
    MediaNegotiated,
    NegotiatedMedia,
    ReferReported,
    SipEvent,
)
from sipagent.sip.replies import q850_cause

logger = logging.getLogger("sipagent.sip")


class Reports:
    """The `CallHandler` of one call. `end` ends the call; it is only called once pjsua2 has returned."""

    def __init__(
        self,
        sdp: SdpExchange,
        emit: Callable[[SipEvent], None],
        end: Callable[[int, ReasonCode], None],
        messages: MessageLog,
        on_answer: Callable[[int, str], None],
    ) -> None:
        self._sdp = sdp
        self._messages = messages
        self._on_answer = on_answer
        self._emit = emit
        self._end = end
        self._has_media = False
        self._is_early = False
        self._last_received = ""

    def on_state(self, state: str, sip_status: int, reason: str, by_remote: bool) -> None:
        self._is_early = state == "EARLY" and by_remote
        if self._is_early:
            self._emit(CallProgress(sip_status, reason))
        elif state == "CONFIRMED":
            self._emit(CallConfirmed())
            if not self._has_media:
                self._fail(488, ReasonCode.BAD_OFFER, "our offer was not answered")
        elif state == "DISCONNECTED":
            cause = q850_cause(self._last_received)
            self._emit(CallDisconnected(sip_status, reason, by_remote, cause))

    def on_offer(self, offer: str) -> int:
        try:
            self._sdp.receive(offer)
        except SdpError as error:
            logger.warning("new offer within a call refused: %s", error)
            return error.sip_status
        return 200

    def local_sdp(self) -> str | None:
        return self._sdp.next_text()

    def on_media(self, stream: NegotiatedMedia | None, remote_sdp: str) -> None:
        try:
            media = self._sdp.outcome(stream, remote_sdp)
        except SdpError as error:
            self._fail(error.sip_status, error.reason_code, f"the answer to our offer: {error}")
            return
        if media is not None:
            self._has_media = True
            self._emit(MediaNegotiated(media, self._is_early))

    def on_received(self, message: str) -> None:
        self._last_received = message
        self._messages.note("in", message, time.monotonic())

    def on_invite_answered(self, sip_status: int, message: str) -> None:
        self._on_answer(sip_status, message)

    def on_sent(self, message: str) -> None:
        self._messages.note("out", message, time.monotonic())
        if not self._sdp.is_ours(message):
            self._fail(500, ReasonCode.INTERNAL_ERROR, "SDP that is not ours went out")

    def on_refer_status(self, sip_status: int, reason: str) -> None:
        self._emit(ReferReported(sip_status, reason))

    def on_info_digit(self, digit: str, duration_ms: int) -> None:
        self._emit(InfoDigit(digit, duration_ms))

    def on_callback_failed(self) -> None:
        self._fail(500, ReasonCode.INTERNAL_ERROR, "a callback failed")

    def _fail(self, sip_status: int, reason_code: ReasonCode, why: str) -> None:
        level = logging.ERROR if reason_code is ReasonCode.INTERNAL_ERROR else logging.WARNING
        logger.log(level, "call ended: %s", why)
        asyncio.get_running_loop().call_soon(self._end, sip_status, reason_code)
