"""Whether the servers of a trunk are there: an OPTIONS to each of them, now and then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sipagent.config import TrunkConfig
from sipagent.events import TargetStateChanged
from sipagent.sip.accounts import Account
from sipagent.sip.pjsua import PjError, reason
from sipagent.sip.targets import NextHop, Target

logger = logging.getLogger("sipagent.sip")

#: A server that says so is there, and serves nobody.
_UNAVAILABLE = 503
#: Much longer than until the next question: a server that was found down stays so until it answers one.
DOWN_ROUNDS = 3


class Qualification:
    """Of one trunk. `on_answer` gets every outcome; `on_change` is called when a server comes or goes."""

    def __init__(
        self,
        trunk: TrunkConfig,
        account: Account,
        hop: NextHop,
        on_answer: Callable[[TargetStateChanged], None],
        on_change: Callable[[], None],
    ) -> None:
        self._trunk = trunk
        self._account = account
        self._hop = hop
        self._on_answer = on_answer
        self._on_change = on_change
        self._state: dict[Target, bool] = {}
        self._waiting: dict[Target, asyncio.TimerHandle] = {}

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            for target in self._hop.targets:
                if target not in self._waiting:
                    self._ask(target)
            await asyncio.sleep(self._trunk.qualify_s)

    def _ask(self, target: Target) -> None:
        loop = asyncio.get_running_loop()
        self._waiting[target] = loop.call_later(
            self._trunk.failover_timeout_s, self._conclude, target, 408, None
        )
        try:
            self._account.towards(target).ask(
                self._uri(target), lambda status, rtt_ms: self._conclude(target, status, rtt_ms)
            )
        except PjError as error:
            logger.warning("trunk %s: %s can't be asked: %s", self._trunk.name, target, reason(error))
            self._conclude(target, 503, None)

    def _uri(self, target: Target) -> str:
        """The domain that the server serves; by which server, the account says."""
        registration = self._trunk.registration
        return f"sip:{registration.host}" if registration else target.uri

    def _conclude(self, target: Target, sip_status: int, rtt_ms: float | None) -> None:
        """An answer, or none in time. One that comes late counts as well."""
        timer = self._waiting.pop(target, None)
        if timer is not None:
            timer.cancel()
        is_up = rtt_ms is not None and sip_status != _UNAVAILABLE
        if timer is None and not is_up:
            return  # told already, when time was up
        if is_up:
            self._hop.note_answer(target, rtt_ms)
        else:
            avoid_s = DOWN_ROUNDS * (self._trunk.qualify_s + self._trunk.failover_timeout_s)
            self._hop.note_failure(target, time.monotonic(), avoid_s)
        self._tell(target, is_up, sip_status, rtt_ms)

    def _tell(self, target: Target, is_up: bool, sip_status: int, rtt_ms: float | None) -> None:
        self._on_answer(
            TargetStateChanged(
                at=time.monotonic(),
                trunk=self._trunk.name,
                target=str(target),
                is_up=is_up,
                sip_status=sip_status,
                rtt_ms=rtt_ms,
            )
        )
        if self._state.get(target) is not is_up:
            self._state[target] = is_up
            asyncio.get_running_loop().call_soon(self._on_change)
