"""One trunk's registration: at which of its registrars, and when to try again.

pjsip refreshes a registration that stands; after a failure the next server is tried at once, and when none is
left we wait.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sipagent.config import TrunkConfig
from sipagent.events import TrunkStateChanged
from sipagent.sip.pjsua import PjError, reason
from sipagent.sip.targets import AVOID_S, NextHop, Target

LONGEST_RETRY_S = 60.0
#: The registrar understood us and said no: asking often won't help, and gets addresses banned.
REFUSED_RETRY_S = 300.0
LOST_CONNECTION_RETRY_S = 10.0
_PASSING_4XX = frozenset({408, 423, 429, 480})
UNREGISTER_WAIT_S = 3.0


@dataclass(frozen=True, slots=True)
class RegistrarAnswer:
    """What came of a REGISTER. `expires_s` is 0 if it took us off, or none was answered."""

    sip_status: int
    reason: str
    expires_s: int = 0
    retry_after_s: int | None = None

    @property
    def is_registered(self) -> bool:
        return 200 <= self.sip_status < 300 and self.expires_s > 0

    @property
    def is_refusal(self) -> bool:
        """Asking elsewhere, or again soon, won't help."""
        return 400 <= self.sip_status < 500 and self.sip_status not in _PASSING_4XX


def retry_delay_s(answer: RegistrarAnswer, failures: int, chance: float) -> float:
    """The wait after the `failures`th failure in a row: what the registrar asks for, else 1, 2, 4 ... 60 s.

    Or long after a clear no. `chance` in [0, 1) spreads it: never sooner than asked for, or later than 60 s.
    """
    if answer.retry_after_s is not None:
        return max(answer.retry_after_s, 1) * (1 + 0.1 * chance)
    longest = REFUSED_RETRY_S if answer.is_refusal else LONGEST_RETRY_S
    delay = longest if answer.is_refusal else min(2.0 ** (min(failures, 10) - 1), longest)
    return delay * (0.8 + 0.2 * chance)


class Registrant(Protocol):
    """Whose registration it is."""

    def register(self, target: Target | None) -> None:
        """Send a REGISTER by way of a server. Raises `PjError`."""

    def unregister(self) -> None:
        """Raises `PjError` if there is nothing to take back."""


class Registration:
    """Every outcome is told to `on_change`; a server that fails while others are left is none."""

    def __init__(
        self,
        trunk: TrunkConfig,
        registrant: Registrant,
        hop: NextHop,
        on_change: Callable[[TrunkStateChanged], None],
    ) -> None:
        self._trunk = trunk
        self._registrant = registrant
        self._hop = hop
        self._on_change = on_change
        self._target: Target | None = None
        self._left: Iterator[Target] = iter(())
        self._failures = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._gone = asyncio.Event()

    def start(self) -> None:
        """Register, now, at the best server."""
        self._left = iter(self._hop.in_order(time.monotonic()))
        if not self._try_next():
            self._fail(RegistrarAnswer(503, "the registrar can't be located"))

    def on_connection_lost(self) -> None:
        """Some connection of this trunk's kind is gone: see, in a while, whether ours was it.

        The wait is long because anybody can open and close connections to us.
        """
        if self._timer is None and not self._stopping:
            self._in(LOST_CONNECTION_RETRY_S, self.start)

    def on_targets_changed(self) -> None:
        """The servers are others, or one of them is up or down: move if ours is not the best any more."""
        best = self._hop.best(time.monotonic())
        if best is not None and best != self._target and not self._stopping:
            self.start()

    async def stop(self) -> None:
        """Unregister, and wait a moment for the registrar to confirm it. A second call does nothing."""
        if self._stopping:
            return
        self._stopping = True
        self._cancel_timer()
        try:
            self._registrant.unregister()
            await asyncio.wait_for(self._gone.wait(), UNREGISTER_WAIT_S)
        except (PjError, TimeoutError):
            return

    def on_answer(self, answer: RegistrarAnswer) -> None:
        """What came of a REGISTER, ours or pjsip's own refresh."""
        if self._stopping:
            self._gone.set()
            self._tell(answer)
        elif answer.is_registered:
            self._succeed(answer)
        else:
            self._fail(answer)

    # ------------------------------------------------------------------------------------------------

    def _try_next(self) -> bool:
        """Go to the next server of this round; false if there is none."""
        self._cancel_timer()
        target = next(self._left, None)
        if target is None:
            return False
        self._target = target
        if len(self._hop.targets) > 1:
            self._in(self._trunk.failover_timeout_s, self._give_up)
        try:
            self._registrant.register(target)
        except PjError as error:
            self._fail(RegistrarAnswer(503, reason(error)))
        return True

    def _give_up(self) -> None:
        self._fail(RegistrarAnswer(408, f"no answer from {self._target}"))

    def _succeed(self, answer: RegistrarAnswer) -> None:
        self._cancel_timer()
        self._failures = 0
        if self._target is not None:
            self._hop.note_answer(self._target)
        self._tell(answer)
        if self._is_best_elsewhere():
            asyncio.get_running_loop().call_soon(self.on_targets_changed)

    def _is_best_elsewhere(self) -> bool:
        """Then a server that was down may be back: pjsip's refresh is the time to see."""
        return self._hop.best(time.monotonic()) not in (None, self._target)

    def _fail(self, answer: RegistrarAnswer) -> None:
        self._cancel_timer()
        if not answer.is_refusal:
            if self._target is not None:
                avoid_s = max(AVOID_S, answer.retry_after_s or 0)
                self._hop.note_failure(self._target, time.monotonic(), avoid_s)
            asyncio.get_running_loop().call_soon(
                self._go_on, answer
            )  # pjsip may be in the middle of something
        else:
            self._wait(answer)

    def _go_on(self, answer: RegistrarAnswer) -> None:
        if not self._stopping and not self._try_next():
            self._wait(answer)

    def _wait(self, answer: RegistrarAnswer) -> None:
        self._failures += 1
        self._in(retry_delay_s(answer, self._failures, random.random()), self.start)
        self._tell(answer)

    def _tell(self, answer: RegistrarAnswer) -> None:
        self._on_change(
            TrunkStateChanged(
                at=time.monotonic(),
                trunk=self._trunk.name,
                registered=answer.is_registered,
                sip_status=answer.sip_status,
                detail=answer.reason,
                expires_s=answer.expires_s if answer.is_registered else 0,
                target=str(self._target or ""),
            )
        )

    def _in(self, delay_s: float, then: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, then)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
