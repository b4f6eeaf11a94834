"""The accounts that pjsua2 has of us: one per trunk, and one for whoever belongs to none.

pjsip refreshes a registration that stands; after a failure we decide when to try again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from sipagent.events import TrunkStateChanged
from sipagent.sip.pjsua import PjAccount, PjError, reason
from sipagent.sip.settings import AccountSettings

logger = logging.getLogger("sipagent.sip")

LONGEST_RETRY_S = 60.0
#: The registrar understood us and said no: asking often won't help, and gets addresses banned.
REFUSED_RETRY_S = 300.0
LOST_CONNECTION_RETRY_S = 10.0
_PASSING_4XX = frozenset({408, 423, 429, 480})
UNREGISTER_WAIT_S = 3.0


def retry_delay_s(sip_status: int, failures: int) -> float:
    """The wait after the `failures`th failure in a row: 1, 2, 4 ... 60 s, or long after a clear no."""
    if 400 <= sip_status < 500 and sip_status not in _PASSING_4XX:
        return REFUSED_RETRY_S
    return min(2.0 ** (min(failures, 10) - 1), LONGEST_RETRY_S)


class Registration:
    """The registration of one trunk. Every answer of the registrar is told to `on_change`."""

    def __init__(
        self, trunk: str, account: PjAccount, on_change: Callable[[TrunkStateChanged], None]
    ) -> None:
        self._trunk = trunk
        self._account = account
        self._on_change = on_change
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._stopping = False
        self._gone = asyncio.Event()

    def start(self) -> None:
        """Register, now."""
        self._cancel_retry()
        try:
            self._account.register()
        except PjError as error:
            self.on_answer(503, reason(error), 0)

    def on_connection_lost(self) -> None:
        """Some connection of this trunk's kind is gone: see, in a while, whether ours was it.

        The wait is long because anybody can open and close connections to us.
        """
        if self._retry is None and not self._stopping:
            self._start_in(LOST_CONNECTION_RETRY_S)

    async def stop(self) -> None:
        """Unregister, and wait a moment for the registrar to confirm it."""
        self._stopping = True
        self._cancel_retry()
        try:
            self._account.unregister()
            await asyncio.wait_for(self._gone.wait(), UNREGISTER_WAIT_S)
        except (PjError, TimeoutError):
            return

    def on_answer(self, sip_status: int, detail: str, expires_s: int) -> None:
        """What came of a REGISTER, ours or pjsip's own refresh."""
        registered = 200 <= sip_status < 300 and expires_s > 0
        if self._stopping:
            self._gone.set()
        elif registered:
            self._failures = 0
        else:
            self._failures += 1
            self._start_in(retry_delay_s(sip_status, self._failures))
        self._on_change(
            TrunkStateChanged(
                at=time.monotonic(),
                trunk=self._trunk,
                registered=registered,
                sip_status=sip_status,
                detail=detail,
                expires_s=expires_s if registered else 0,
            )
        )

    def _start_in(self, delay_s: float) -> None:
        self._cancel_retry()
        jitter = random.uniform(0.8, 1.2)
        self._retry = asyncio.get_running_loop().call_later(delay_s * jitter, self.start)

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


class Account:
    """One account with its registration, if its trunk has one."""

    def __init__(
        self,
        settings: AccountSettings,
        on_incoming: Callable[[Account, int, str, str], None],
    ) -> None:
        self._on_incoming = on_incoming
        self.pj = PjAccount(settings, self)
        self.registration: Registration | None = None

    def keep_registered(self, trunk: str, on_change: Callable[[TrunkStateChanged], None]) -> None:
        self.registration = Registration(trunk, self.pj, on_change)
        self.registration.start()

    def move(self, settings: AccountSettings) -> None:
        """Our address has changed: take up the settings with the new one, and let the registrar know."""
        try:
            self.pj.change(settings)
        except PjError as error:
            logger.error("%s: our new address can't be said: %s", settings.uri, reason(error))
        if self.registration is not None:
            self.registration.start()

    def on_incoming(self, call_id: int, source: str, message: str) -> None:
        self._on_incoming(self, call_id, source, message)

    def on_registration(self, sip_status: int, reason: str, expires_s: int) -> None:
        if self.registration is not None:
            self.registration.on_answer(sip_status, reason, expires_s)

    def on_callback_failed(self) -> None:
        """An INVITE without a `PjCall` is refused by pjsua2, a lost registration answer comes again."""
