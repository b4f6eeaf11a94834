"""The accounts that pjsua2 has of us: for each trunk one, and more for servers that calls go to beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sipagent.config import TrunkConfig
from sipagent.events import TrunkStateChanged
from sipagent.sip.pjsua import PjAccount, PjError, reason
from sipagent.sip.registration import RegistrarAnswer, Registration
from sipagent.sip.replies import retry_after_s
from sipagent.sip.route import local_address_towards
from sipagent.sip.settings import AccountSettings
from sipagent.sip.targets import NextHop, Target

logger = logging.getLogger("sipagent.sip")

#: Accounts beside the first of a trunk. That not used for longest makes room, if no call holds it.
MAX_DETOURS = 9

OnIncoming = Callable[["Account", int, str, str], None]


class Account:
    """One trunk to pjsua2. Requests come in to `pj`, whose next hop is where it is registered, if it is.

    pjsua2 has the next hop in the account: a request by way of another server needs another account.
    """

    def __init__(self, settings: AccountSettings, on_incoming: OnIncoming) -> None:
        self.settings = settings
        self._on_incoming = on_incoming
        self._next_hop: Target | None = None
        self._detours: dict[Target | None, PjAccount] = {}
        self.pj = PjAccount(settings, self)
        self.registration: Registration | None = None
        self._is_closed = False

    def keep_registered(
        self, trunk: TrunkConfig, hop: NextHop, on_change: Callable[[TrunkStateChanged], None]
    ) -> None:
        self.registration = Registration(trunk, self, hop, on_change)
        self.registration.start()

    def towards(self, target: Target | None) -> PjAccount:
        """The account for requests by way of a server; None leaves the way to their URI. Raises `PjError`."""
        if target == self._next_hop:
            return self.pj
        detour = self._detours.pop(target, None) or PjAccount(_detoured(self.settings, target), self)
        self._detours[target] = detour
        self._make_room()
        return detour

    def owns(self, pj: PjAccount) -> bool:
        return pj is self.pj or any(pj is detour for detour in self._detours.values())

    def move(self, settings: AccountSettings) -> None:
        """Our address has changed: take up the settings with the new one, and let the registrar know."""
        self.settings = settings
        try:
            self.pj.change(settings.via(self._next_hop))
            for target, detour in self._detours.items():
                detour.change(_detoured(settings, target))
        except PjError as error:
            logger.error("%s: our new address can't be said: %s", settings.uri, reason(error))
        if self.registration is not None:
            self.registration.start()

    def register(self, target: Target | None) -> None:
        """Send a REGISTER by way of a server. Raises `PjError`."""
        if target != self._next_hop:
            self.pj.change(self.settings.via(target))
            self._next_hop = target
        self.pj.register()

    def unregister(self) -> None:
        self.pj.unregister()

    def close(self) -> bool:
        """Be gone, registration and all; false if a call still holds it. A second call does nothing."""
        self._detours = {target: detour for target, detour in self._detours.items() if not detour.close()}
        self._is_closed = self._is_closed or (not self._detours and self.pj.close())
        return self._is_closed

    def _make_room(self) -> None:
        for target, detour in list(self._detours.items())[:-MAX_DETOURS]:
            if detour.close():
                del self._detours[target]

    # --- what pjsua2 reports (see `handlers.AccountHandler`) ----------------------------------------

    def on_incoming(self, call_id: int, source: str, message: str) -> None:
        self._on_incoming(self, call_id, source, message)

    def on_registration(self, sip_status: int, reason: str, expires_s: int, message: str) -> None:
        if self.registration is not None:
            answer = RegistrarAnswer(sip_status, reason, expires_s, retry_after_s(message))
            self.registration.on_answer(answer)

    def on_callback_failed(self) -> None:
        """An INVITE without a `PjCall` is refused by pjsua2, a lost registration answer comes again."""


def _detoured(settings: AccountSettings, target: Target | None) -> AccountSettings:
    """The settings of an account that never registers.

    pjsip finds our own address by that of the next hop, which it doesn't know where it is named.
    """
    through = settings.via(target)
    if target is None or not target.is_named:
        return through
    try:
        return through.reached_at(local_address_towards(target.address), target.transport)
    except OSError as error:
        logger.warning("no route to %s: %s", target, error)
        return through
