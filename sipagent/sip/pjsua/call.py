"""One dialog of pjsua2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pjsua2 as pj

from sipagent.sip.handlers import CallHandler
from sipagent.sip.invite import offer_in, split_address
from sipagent.sip.messages import Direction, NegotiatedMedia
from sipagent.sip.pjsua.account import PjAccount
from sipagent.sip.pjsua.base import IS_TUNED, contained, operation, text

_DIRECTIONS: dict[int, Direction] = {0: "inactive", 1: "sendonly", 2: "recvonly", 3: "sendrecv"}


class PjCall(pj.Call):  # type: ignore[misc] # pjsua2 is untyped
    """One dialog of pjsua2. To be referenced until DISCONNECTED, and let go outside of any callback."""

    def __init__(self, account: PjAccount, handler: CallHandler, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.handler = handler
        self._reoffer: str | None = None

    def place(self, uri: str, headers: Iterable[tuple[str, str]], from_uri: str | None) -> None:
        """Send an INVITE. Raises `PjError`."""
        param = operation(0, headers)
        _offer_one_stream(param)
        if from_uri is not None:
            param.txOption.localUri = from_uri if "<" in from_uri else f"<{from_uri}>"
        self.makeCall(uri, param)

    def respond(self, sip_status: int, sdp: str = "") -> None:
        """Send a 1xx or 2xx; `sdp` answers the offer in the INVITE if it had one. Raises `PjError`."""
        param = operation(sip_status)
        param.sdp.wholeSdp = sdp
        if sip_status >= 200 and not sdp:
            _offer_one_stream(param)
        self.answer(param)

    def reoffer(self) -> None:
        """Send a re-INVITE with an offer of ours and the account's Contact of now. Raises `PjError`."""
        param = operation(0)
        _offer_one_stream(param)
        param.opt.flag |= pj.PJSUA_CALL_UPDATE_CONTACT
        self.reinvite(param)

    def refer(self, refer_to: str) -> None:
        """Send a REFER with this Refer-To, and a Referred-By that names us. Raises `PjError`."""
        self.xfer(refer_to, operation(0))

    def refer_to_peer_of(self, other: PjCall) -> None:
        """Send a REFER to whom `other` talks with, to take its place (RFC 3891). Raises `PjError`."""
        self.xferReplaces(other, operation(0))

    def end(self, sip_status: int, headers: Iterable[tuple[str, str]], phrase: str = "") -> None:
        """Refuse, redirect, CANCEL or BYE, whatever the state of the call asks for. Raises `PjError`."""
        param = operation(sip_status, headers)
        param.reason = phrase
        self.hangup(param)

    def send_digit(self, digit: str, duration_ms: int) -> None:
        """Send an INFO with a DTMF digit. Raises `PjError`."""
        param = pj.CallSendDtmfParam()
        param.method, param.digits, param.duration = pj.PJSUA_DTMF_METHOD_SIP_INFO, digit, duration_ms
        self.sendDtmf(param)

    @property
    def sip_call_id(self) -> str:
        return str(self.getInfo().callIdString)

    @contained
    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        self._tell_message(prm.e)
        self.handler.on_state(info.stateText, info.lastStatusCode, text(info.lastReason), _is_by_peer(prm.e))

    @contained
    def onCallRxReinvite(self, prm: Any) -> None:
        self._reoffer = offer_in(text(prm.rdata.wholeMsg))  # pjsua2 prints an offer only up to 1 KB

    @contained
    def onCallRxOffer(self, prm: Any) -> None:
        prm.statusCode = pj.PJSIP_SC_NOT_ACCEPTABLE_HERE  # stands if the handler fails
        offer, self._reoffer = self._reoffer or text(prm.offer.wholeSdp), None
        prm.statusCode = self.handler.on_offer(offer)

    @contained
    def onCallSdpCreated(self, prm: Any) -> None:
        sdp = self.handler.local_sdp()
        if sdp is not None:
            prm.sdp.wholeSdp = sdp

    @contained
    def onCallMediaState(self, prm: Any) -> None:
        self.handler.on_media(self._stream(), pj.remoteSdp(self.getId()) if IS_TUNED else "")

    @contained
    def onCallTsxState(self, prm: Any) -> None:
        event = prm.e.body.tsxState
        if event.type == pj.PJSIP_EVENT_TX_MSG:
            self.handler.on_sent(event.src.tdata.wholeMsg)
        elif event.type == pj.PJSIP_EVENT_RX_MSG:
            message = text(event.src.rdata.wholeMsg)
            self.handler.on_received(message)
            if _is_our_invite(event.tsx):
                self.handler.on_invite_answered(event.tsx.statusCode, message)

    @contained
    def onCallTransferStatus(self, prm: Any) -> None:
        self.handler.on_refer_status(prm.statusCode, text(prm.reason))

    def onCallRedirected(self, prm: Any) -> Any:
        return pj.PJSIP_REDIRECT_REJECT  # followed by nobody, and its status is that of the call

    @contained
    def onCallTransferRequest(self, prm: Any) -> None:
        prm.statusCode = pj.PJSIP_SC_DECLINE  # pjsua2 would place a call wherever a REFER says

    @contained
    def onCallReplaceRequest(self, prm: Any) -> None:
        prm.statusCode = pj.PJSIP_SC_DECLINE  # and hand this call to whoever names it

    @contained
    def onDtmfEvent(self, prm: Any) -> None:
        if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO:
            self.handler.on_info_digit(prm.digit, prm.duration)

    def _tell_message(self, event: Any) -> None:
        """The message that changed the state: of an ACK nothing else tells."""
        if event.type == pj.PJSIP_EVENT_RX_MSG:
            self.handler.on_received(text(event.body.rxMsg.rdata.wholeMsg))
        elif event.type == pj.PJSIP_EVENT_TX_MSG:
            self.handler.on_sent(event.body.txMsg.tdata.wholeMsg)
        elif event.type == pj.PJSIP_EVENT_TSX_STATE:
            change = event.body.tsxState
            if change.type == pj.PJSIP_EVENT_RX_MSG:
                self.handler.on_received(text(change.src.rdata.wholeMsg))
            elif change.type == pj.PJSIP_EVENT_TX_MSG:
                self.handler.on_sent(change.src.tdata.wholeMsg)

    def _stream(self) -> NegotiatedMedia | None:
        info = self.getInfo()  # its parts live no longer than it does
        for media in info.media:
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.dir:
                return _negotiated(self.getStreamInfo(media.index))
        return None


def _offer_one_stream(param: Any) -> None:
    """Have pjsua2 prepare an offer. Without settings it waits for them: a 180 must not carry any."""
    param.opt = pj.CallSetting(True)
    param.opt.audioCount, param.opt.videoCount, param.opt.textCount = 1, 0, 0


def _is_our_invite(transaction: Any) -> bool:
    return bool(transaction.role == pj.PJSIP_ROLE_UAC and transaction.method == "INVITE")


def _is_by_peer(event: Any) -> bool:
    """Did the peer want this change of state? Its answer to a BYE of ours, say, is no wish."""
    if event.type != pj.PJSIP_EVENT_TSX_STATE:
        return False
    change = event.body.tsxState
    received: bool = change.type == pj.PJSIP_EVENT_RX_MSG
    cancelled: bool = change.tsx.statusCode == pj.PJSIP_SC_REQUEST_TERMINATED  # by them, or else by us
    if change.tsx.role == pj.PJSIP_ROLE_UAC:
        return received and change.tsx.method == "INVITE" and not cancelled
    return received or cancelled


def _negotiated(stream: Any) -> NegotiatedMedia:
    parameters = stream.audCodecParam
    return NegotiatedMedia(
        codec=stream.codecName.upper(),
        payload_type=stream.txPt,
        dtmf_payload_type=stream.audTxEventPt if stream.audTxEventPt >= 0 else None,
        ptime_ms=parameters.info.frameLen * parameters.setting.frmPerPkt,
        direction=_DIRECTIONS[stream.dir & 3],
        remote_rtp=split_address(stream.remoteRtpAddress),
        remote_rtcp=split_address(stream.remoteRtcpAddress),
    )
