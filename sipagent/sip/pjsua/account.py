"""One identity of ours, as pjsua2 has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from sipagent.sip.handlers import AccountHandler
from sipagent.sip.pjsua.base import IS_TUNED, PjError, contained, text
from sipagent.sip.settings import AccountSettings

#: Status, and milliseconds until it came; None if nothing came from the peer.
OnAnswer = Callable[[int, float | None], None]

_TIMERS = {
    "off": pj.PJSUA_SIP_TIMER_INACTIVE,
    "optional": pj.PJSUA_SIP_TIMER_OPTIONAL,
    "required": pj.PJSUA_SIP_TIMER_REQUIRED,
}
_PRACK = {
    "off": pj.PJSUA_100REL_NOT_USED,
    "supported": pj.PJSUA_100REL_OPTIONAL,
    "required": pj.PJSUA_100REL_MANDATORY,
}


class PjAccount(pj.Account):  # type: ignore[misc] # pjsua2 is untyped
    """One identity of ours: where it registers, and whose calls come in over it."""

    def __init__(self, settings: AccountSettings, handler: AccountHandler) -> None:
        super().__init__()
        self.handler = handler
        self._asked: tuple[float, OnAnswer] | None = None
        self.create(_account_config(settings))

    def register(self) -> None:
        """Send a REGISTER. Raises `PjError`."""
        self.setRegistration(True)

    def unregister(self) -> None:
        """Raises `PjError` if there is no registration to take back."""
        self.setRegistration(False)

    def change(self, settings: AccountSettings) -> None:
        """Take up other settings. What stood of a registration is forgotten. Raises `PjError`."""
        self.modify(_account_config(settings))

    def ask(self, uri: str, on_answer: OnAnswer) -> None:
        """Send an OPTIONS; one at a time. Raises `PjError`."""
        param = pj.SendRequestParam()
        param.method = "OPTIONS"
        param.txOption.targetUri = uri
        self._asked = (time.monotonic(), on_answer)
        self.sendRequest(param)

    def close(self) -> bool:
        """Be gone; false if a call still holds it."""
        if not IS_TUNED:  # 2.15 can't tell, and its few calls seldom outlive what is to be closed
            self.shutdown()
            return True
        try:
            self.shutdown2(pj.AccountShutdownParam())
        except PjError:
            return False
        return True

    @property
    def index(self) -> int:
        return int(self.getId())

    @contained
    def onIncomingCall(self, prm: Any) -> None:
        self.handler.on_incoming(prm.callId, prm.rdata.srcAddress, text(prm.rdata.wholeMsg))

    @contained
    def onRegState(self, prm: Any) -> None:
        self.handler.on_registration(prm.code, text(prm.reason), prm.expiration, text(prm.rdata.wholeMsg))

    @contained
    def onSendRequest(self, prm: Any) -> None:
        if self._asked is None:
            return
        (asked_at, on_answer), self._asked = self._asked, None
        change = prm.e.body.tsxState
        is_answer = change.type == pj.PJSIP_EVENT_RX_MSG
        on_answer(change.tsx.statusCode, 1000 * (time.monotonic() - asked_at) if is_answer else None)

    @contained
    def onIncomingSubscribe(self, prm: Any) -> None:
        prm.code = pj.PJSIP_SC_BAD_EVENT


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
    config.sipConfig.contactForced = f"<{settings.contact}>" if settings.contact else ""
    config.sipConfig.proxies = pj.StringVector(settings.proxies)
    if settings.digest is not None:
        digest = settings.digest
        credentials = pj.AuthCredInfo("digest", digest.realm, digest.username, 0, digest.password)
        config.sipConfig.authCreds.append(credentials)
    config.callConfig.timerUse = _TIMERS[settings.session_timer.use]
    config.callConfig.timerSessExpiresSec = settings.session_timer.expires_s
    config.callConfig.timerMinSESec = settings.session_timer.min_se_s
    config.callConfig.prackUse = _PRACK[settings.prack]
    config.regConfig.registrarUri = settings.registrar
    config.regConfig.registerOnAdd = False
    config.regConfig.disableRegOnModify = True
    config.regConfig.timeoutSec = settings.expires_s
    config.regConfig.retryIntervalSec = 0  # we decide when to try again
    return config
