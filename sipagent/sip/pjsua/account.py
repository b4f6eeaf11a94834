"""One identity of ours, as pjsua2 has it."""

from __future__ import annotations

from typing import Any

import pjsua2 as pj

from sipagent.sip.handlers import AccountHandler
from sipagent.sip.pjsua.base import IS_TUNED, contained, text
from sipagent.sip.settings import AccountSettings


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

    @contained
    def onIncomingCall(self, prm: Any) -> None:
        self.handler.on_incoming(prm.callId, prm.rdata.srcAddress, text(prm.rdata.wholeMsg))

    @contained
    def onRegState(self, prm: Any) -> None:
        self.handler.on_registration(prm.code, text(prm.reason), prm.expiration)

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
