"""The calls that pjsua2 holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from sipagent.sip.call import SipCall
from sipagent.sip.messages import IncomingInvite

LOOK_EVERY_S = 1.0


class Calls:
    """Every call that pjsua2 still holds, and those that it has ended and that are to be let go.

    pjsua2 wants its calls referenced until they have ended, and not let go from within its callbacks.
    """

    def __init__(self) -> None:
        self._held: set[SipCall] = set()
        self._ended: list[SipCall] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[SipCall]:
        return iter(list(self._held))

    def new(self, invite: IncomingInvite | None) -> SipCall:
        call = SipCall(invite, self._on_ended)
        self._held.add(call)
        self._idle.clear()
        return call

    def release_ended(self) -> None:
        while self._ended:
            self._ended.pop().release()

    async def look_after(self) -> None:
        """See that no call goes on that pjsip has lost. Returns never."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._look()

    def release_all(self) -> None:
        for call in self:
            self._on_ended(call)
        self.release_ended()

    async def wait_until_none(self, patience_s: float) -> None:
        """Return when there is no call any more, or after `patience_s`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), patience_s)

    def _look(self) -> None:
        for call in self:  # on a frame of its own: the one that waits would keep the last of them
            call.look_after()

    def _on_ended(self, call: SipCall) -> None:
        self._held.discard(call)
        self._ended.append(call)
        if not self._held:
            self._idle.set()
