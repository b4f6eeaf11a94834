"""An INVITE of ours on its way: which server has it, and when the next one is tried (RFC 3263, 4.3)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from sipagent.sip.accounts import Account
from sipagent.sip.messages import CallDisconnected
from sipagent.sip.pjsua import PjAccount, PjError, reason
from sipagent.sip.targets import AVOID_S, NextHop, Target

logger = logging.getLogger("sipagent.sip")

#: What pjsip makes of no answer, of no connection and of a name unknown, and what a server says that is full.
_TRY_ELSEWHERE = frozenset({408, 502, 503})
_UNAVAILABLE = 503
#: Another INVITE follows these, with credentials.
_ASKING_WHO = frozenset({401, 407})


class Way:
    """The servers that a call over one trunk may take. Without a next hop its URI says where it goes."""

    def __init__(self, account: Account, hop: NextHop | None, patience_s: float) -> None:
        self._account = account
        self._hop = hop
        self._left: Iterator[Target | None] = iter(hop.in_order(time.monotonic()) if hop else (None,))
        self._target: Target | None = None
        self.patience_s = patience_s

    def advance(self) -> PjAccount | None:
        """The account to send the INVITE by now; None when every server has been tried."""
        for target in self._left:
            self._target = target
            try:
                return self._account.towards(target)
            except PjError as error:
                logger.warning("no way by %s: %s", target, reason(error))
        return None

    def note_failure(self, avoid_s: float = AVOID_S) -> None:
        if self._hop is not None and self._target is not None:
            self._hop.note_failure(self._target, time.monotonic(), avoid_s)

    def note_answer(self) -> None:
        if self._hop is not None and self._target is not None:
            self._hop.note_answer(self._target)

    @property
    def has_several(self) -> bool:
        return self._hop is not None and len(self._hop.targets) > 1


class Placing:
    """Dials by one server after the other, until one of them has something to say.

    `dial` sends the INVITE by an account, in place of the one before; `give_up` is told the last failure.
    """

    def __init__(
        self, way: Way, dial: Callable[[PjAccount], None], give_up: Callable[[CallDisconnected], None]
    ) -> None:
        self._way = way
        self._dial = dial
        self._give_up = give_up
        self._is_heard = self._is_taken = False
        self._patience: asyncio.TimerHandle | None = None

    @property
    def is_taken(self) -> bool:
        """Has the server that has the latest INVITE said so, by 100 at least?"""
        return self._is_taken

    def start(self) -> None:
        self._next(CallDisconnected(_UNAVAILABLE, "no server to send to", by_remote=False))

    def on_answer(self, sip_status: int, retry_after_s: int | None = None) -> None:
        """The server has said something, 100 at least: it is there, and has the call unless it is full.

        One that is full is left alone for as long as it asks for; else other calls may try it at once
        (RFC 3261, 21.5.4).
        """
        self._cancel_patience()
        self._is_taken = sip_status not in _ASKING_WHO
        if sip_status != _UNAVAILABLE:
            self._way.note_answer()
        elif retry_after_s is not None:
            self._way.note_failure(retry_after_s)
        if 100 < sip_status < 200:
            self._is_heard = True

    def fails_over(self, end: CallDisconnected) -> bool:
        """Is the end of this attempt not the end of the call? Then the next server is dialled soon."""
        self._cancel_patience()
        if self._is_heard or end.sip_status not in _TRY_ELSEWHERE:
            return False
        if end.by_remote and end.sip_status != _UNAVAILABLE:
            return False
        if not end.by_remote:
            self._way.note_failure()
        asyncio.get_running_loop().call_soon(self._next, end)
        return True

    def stop(self) -> None:
        """The call is over."""
        self._cancel_patience()

    def _next(self, last: CallDisconnected) -> None:
        account = self._way.advance()
        if account is None:
            self._give_up(last)
            return
        if self._way.has_several:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._way.patience_s, self._run_out)
        self._is_taken = False
        self._dial(account)

    def _run_out(self) -> None:
        logger.info("no answer within %g s, trying elsewhere", self._way.patience_s)
        self._way.note_failure()
        self._next(CallDisconnected(408, "no answer", by_remote=False))

    def _cancel_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
