"""The thin face of pjsua2, and the only module that imports it: everything untyped stays in here.

pjsua2 runs no thread of its own: it works inside `Stack.poll`, and calls back from there or from within
what we asked of it. An exception that left a callback would tear the process down, so each is caught here,
logged, and reported to the handler.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, cast

import pjsua2 as pj

from sipagent.config import HostPort, SipConfig, TlsConfig
from sipagent.errors import ConfigError
from sipagent.sip import pjlog
from sipagent.sip.handlers import AccountHandler, CallHandler, StackHandler
from sipagent.sip.invite import offer_in, split_address
from sipagent.sip.messages import Direction, NegotiatedMedia, Transport
from sipagent.sip.settings import AccountSettings

logger = logging.getLogger("sipagent.sip")

PjError: type[Exception] = pj.Error

#: The wheels on PyPI are built for this many calls, can't filter sources, and leave no SRTP to us.
UNTUNED_MAX_CALLS = 4
IS_TUNED = hasattr(pj, "compiledLimits")

_DIRECTIONS: dict[int, Direction] = {0: "inactive", 1: "sendonly", 2: "recvonly", 3: "sendrecv"}


class _Reporting(Protocol):
    handler: Any


Reporter = TypeVar("Reporter", bound=_Reporting)


def _contained(callback: Callable[[Reporter, Any], None]) -> Callable[[Reporter, Any], None]:
    @functools.wraps(callback)
    def contained(self: Reporter, prm: Any) -> None:
        try:
            callback(self, prm)
        except Exception:  # pjsua2's edge: an exception that left a callback would end the process
            logger.exception("%s failed", callback.__qualname__)
            self.handler.on_callback_failed()

    return cast("Callable[[Reporter, Any], None]", contained)


class PjCall(pj.Call):  # type: ignore[misc] # pjsua2 is untyped
    """One dialog of pjsua2. To be referenced until DISCONNECTED, and let go outside of any callback."""

    def __init__(self, account: PjAccount, handler: CallHandler, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.handler = handler
        self._reoffer: str | None = None

    def place(self, uri: str, headers: Iterable[tuple[str, str]], from_uri: str | None) -> None:
        """Send an INVITE. Raises `PjError`."""
        param = _operation(0, headers)
        _offer_one_stream(param)
        if from_uri is not None:
            param.txOption.localUri = from_uri if "<" in from_uri else f"<{from_uri}>"
        self.makeCall(uri, param)

    def respond(self, sip_status: int, sdp: str = "") -> None:
        """Send a 1xx or 2xx; `sdp` answers the offer in the INVITE if it had one. Raises `PjError`."""
        param = _operation(sip_status)
        param.sdp.wholeSdp = sdp
        if sip_status >= 200 and not sdp:
            _offer_one_stream(param)
        self.answer(param)

    def reoffer(self) -> None:
        """Send a re-INVITE with an offer of ours and the account's Contact of now. Raises `PjError`."""
        param = _operation(0)
        _offer_one_stream(param)
        param.opt.flag |= pj.PJSUA_CALL_UPDATE_CONTACT
        self.reinvite(param)

    def end(self, sip_status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Refuse, CANCEL or BYE, whatever the state of the call asks for. Raises `PjError`."""
        self.hangup(_operation(sip_status, headers))

    def send_digit(self, digit: str, duration_ms: int) -> None:
        """Send an INFO with a DTMF digit. Raises `PjError`."""
        param = pj.CallSendDtmfParam()
        param.method, param.digits, param.duration = pj.PJSUA_DTMF_METHOD_SIP_INFO, digit, duration_ms
        self.sendDtmf(param)

    @property
    def sip_call_id(self) -> str:
        return str(self.getInfo().callIdString)

    @_contained
    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        self.handler.on_state(info.stateText, info.lastStatusCode, _text(info.lastReason), _is_by_peer(prm.e))

    @_contained
    def onCallRxReinvite(self, prm: Any) -> None:
        self._reoffer = offer_in(_text(prm.rdata.wholeMsg))  # pjsua2 prints an offer only up to 1 KB

    @_contained
    def onCallRxOffer(self, prm: Any) -> None:
        prm.statusCode = pj.PJSIP_SC_NOT_ACCEPTABLE_HERE  # stands if the handler fails
        offer, self._reoffer = self._reoffer or _text(prm.offer.wholeSdp), None
        prm.statusCode = self.handler.on_offer(offer)

    @_contained
    def onCallSdpCreated(self, prm: Any) -> None:
        text = self.handler.local_sdp()
        if text is not None:
            prm.sdp.wholeSdp = text

    @_contained
    def onCallMediaState(self, prm: Any) -> None:
        self.handler.on_media(self._stream(), pj.remoteSdp(self.getId()) if IS_TUNED else "")

    @_contained
    def onCallTsxState(self, prm: Any) -> None:
        event = prm.e.body.tsxState
        if event.type == pj.PJSIP_EVENT_TX_MSG:
            self.handler.on_sent(event.src.tdata.wholeMsg)

    @_contained
    def onCallTransferRequest(self, prm: Any) -> None:
        prm.statusCode = pj.PJSIP_SC_DECLINE  # pjsua2 would place a call wherever a REFER says

    @_contained
    def onCallReplaceRequest(self, prm: Any) -> None:
        prm.statusCode = pj.PJSIP_SC_DECLINE  # and hand this call to whoever names it

    @_contained
    def onDtmfEvent(self, prm: Any) -> None:
        if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO:
            self.handler.on_info_digit(prm.digit, prm.duration)

    def _stream(self) -> NegotiatedMedia | None:
        info = self.getInfo()  # its parts live no longer than it does
        for media in info.media:
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.dir:
                return _negotiated(self.getStreamInfo(media.index))
        return None


class PjAccount(pj.Account):  # type: ignore[misc] # pjsua2 is untyped
    """One identity of ours: where it registers, and whose calls come in over it."""

    def __init__(self, settings: AccountSettings, handler: AccountHandler) -> None:
        super().__init__()
        self.handler = handler
        self.create(_account_config(settings))

    def register(self) -> None:
        """Send a REGISTER. Raises `PjError`."""
        self.setRegistration(True)

    def unregister(self) -> None:
        """Raises `PjError` if there is no registration to take back."""
        self.setRegistration(False)

    def change(self, settings: AccountSettings) -> None:
        """Take up other settings; pjsip registers again if they matter to it. Raises `PjError`."""
        self.modify(_account_config(settings))

    @property
    def index(self) -> int:
        return int(self.getId())

    @_contained
    def onIncomingCall(self, prm: Any) -> None:
        self.handler.on_incoming(prm.callId, prm.rdata.srcAddress, _text(prm.rdata.wholeMsg))

    @_contained
    def onRegState(self, prm: Any) -> None:
        self.handler.on_registration(prm.code, _text(prm.reason), prm.expiration)

    @_contained
    def onIncomingSubscribe(self, prm: Any) -> None:
        prm.code = pj.PJSIP_SC_BAD_EVENT


class _Endpoint(pj.Endpoint):  # type: ignore[misc] # pjsua2 is untyped
    handler: StackHandler

    @_contained
    def onSelectAccount(self, prm: Any) -> None:
        index = self.handler.select_account(prm.rdata.srcAddress)
        if index is not None:
            prm.accountIndex = index

    @_contained
    def onRejectedIncomingCall(self, prm: Any) -> None:
        self.handler.on_rejected(prm.statusCode, prm.rdata.srcAddress, _text(prm.rdata.wholeMsg))

    @_contained
    def onTransportState(self, prm: Any) -> None:
        if prm.state == pj.PJSIP_TP_STATE_DISCONNECTED:
            self.handler.on_connection_lost(prm.type)


class _LogWriter(pj.LogWriter):  # type: ignore[misc] # pjsua2 is untyped
    def write(self, entry: Any) -> None:
        pjlog.forward(entry.level, _text(entry.msg))


class Stack:
    """pjsua2 as a whole, one per process, for signalling alone: it opens no media socket and no device."""

    def __init__(self, handler: StackHandler) -> None:
        self._endpoint = _Endpoint()
        self._endpoint.handler = handler

    def start(self, sip: SipConfig) -> None:
        """Open the listeners. Raises `ConfigError` when one can't be opened."""
        self._endpoint.libCreate()
        self._endpoint.libInit(_endpoint_config(sip.user_agent))
        for transport, listen in _listeners(sip):
            try:
                self._endpoint.transportCreate(*_transport(transport, listen, sip.tls))
            except PjError as error:
                raise ConfigError(
                    [f"sip.listen_{transport}: can't listen on {listen}: {reason(error)}"]
                ) from None
        self._endpoint.audDevManager().setNoDev()
        self._endpoint.libStart()
        self._endpoint.audDevManager().setNoDev()

    def poll(self) -> None:
        """Let pjsua2 read sockets and run timers, without waiting."""
        self._endpoint.libHandleEvents(0)

    def stop(self) -> None:
        """Every `PjCall` and `PjAccount` must be gone by now."""
        self._endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        del self._endpoint  # now, not when the last reference to us goes: a process has one at most


def reason(error: Exception) -> str:
    """Why pjsua2 failed, which its errors don't say by themselves."""
    return str(error.reason) if isinstance(error, pj.Error) else str(error)


def max_calls() -> int:
    """How many calls this build of pjsua2 can carry, whatever it is asked for."""
    if not IS_TUNED:
        return UNTUNED_MAX_CALLS
    return int(dict(fact.split("=", 1) for fact in pj.compiledLimits().split())["max_calls"])


def set_source_filter(networks: Iterable[str]) -> None:
    """Answer requests from these networks only. Tuned builds alone can do that."""
    pj.setSourceFilter(" ".join(networks))


def dropped_requests() -> int:
    """Requests that the source filter dropped since the process began."""
    return int(pj.sourceFilterDropped()) if IS_TUNED else 0


def _text(raw: str) -> str:
    """A peer's text to keep: bytes that are no UTF-8 come as lone surrogates, which can't be encoded."""
    return raw.encode(errors="surrogateescape").decode(errors="replace")


def _account_config(settings: AccountSettings) -> Any:
    config = pj.AccountConfig()
    config.idUri = settings.uri
    config.mediaConfig.useLoopMedTp = True
    if IS_TUNED:  # it has no SRTP of its own, and this lets offers of it through to us
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL
        config.mediaConfig.srtpSecureSignaling = 0
    config.natConfig.sdpNatRewriteUse = 0
    config.natConfig.sipOutboundUse = 0
    config.natConfig.udpKaIntervalSec = settings.keepalive_s
    config.natConfig.contactRewriteUse = 0 if settings.contact else 1
    config.sipConfig.contactForced = settings.contact
    config.sipConfig.proxies = pj.StringVector(settings.proxies)
    if settings.digest is not None:
        digest = settings.digest
        credentials = pj.AuthCredInfo("digest", digest.realm, digest.username, 0, digest.password)
        config.sipConfig.authCreds.append(credentials)
    config.regConfig.registrarUri = settings.registrar
    config.regConfig.registerOnAdd = False
    config.regConfig.timeoutSec = settings.expires_s
    config.regConfig.retryIntervalSec = 0  # we decide when to try again
    return config


def _operation(sip_status: int, headers: Iterable[tuple[str, str]] = ()) -> Any:
    param = pj.CallOpParam()
    param.statusCode = sip_status
    vector = pj.SipHeaderVector()
    for name, value in headers:
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        vector.append(header)
    param.txOption.headers = vector
    return param


def _offer_one_stream(param: Any) -> None:
    """Have pjsua2 prepare an offer. Without settings it waits for them: a 180 must not carry any."""
    param.opt = pj.CallSetting(True)
    param.opt.audioCount, param.opt.videoCount, param.opt.textCount = 1, 0, 0


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


def _endpoint_config(user_agent: str) -> Any:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = max_calls()
    config.uaConfig.userAgent = user_agent
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.hasIoqueue = False
    config.medConfig.threadCnt = 0
    config.logConfig.level = config.logConfig.consoleLevel = pjlog.wanted_level()  # "console" is the writer
    config.logConfig.decor = pj.PJ_LOG_HAS_SENDER
    config.logConfig.writer = _LogWriter().__disown__()  # libDestroy deletes it
    return config


def _listeners(sip: SipConfig) -> Iterable[tuple[Transport, HostPort]]:
    transports: tuple[Transport, ...] = ("udp", "tcp", "tls")
    return [(name, listen) for name in transports if (listen := sip.listener(name)) is not None]


def _transport(transport: Transport, listen: HostPort, tls: TlsConfig | None) -> tuple[int, Any]:
    config = pj.TransportConfig()
    config.boundAddress, config.port = listen.host, listen.port
    if transport == "tls" and tls is not None:
        config.tlsConfig.certFile = str(tls.certificate_file)
        config.tlsConfig.privKeyFile = str(tls.key_file)
        config.tlsConfig.CaListFile = str(tls.ca_file or "")
        config.tlsConfig.verifyServer = config.tlsConfig.verifyClient = tls.verify_peer
        config.tlsConfig.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3
    suffix = "6" if ":" in listen.host else ""
    return getattr(pj, f"PJSIP_TRANSPORT_{transport.upper()}{suffix}"), config


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
