"""Keys that we press towards the peer of a call, by the best method that it takes."""

from __future__ import annotations

import asyncio
from typing import Literal

from rtp.dtmf import DIGITS
from sipagent.events import DigitMethod
from sipagent.sip.call import SipCall
from sipagent.sip.messages import IncomingInvite
from sipagent.worker.control.handle import LegHandle

INFO_PRESS_MS, INFO_PAUSE_MS = 100, 100


class Keying:
    """One per call. `send` is what the trunk's `dtmf.send` says."""

    def __init__(self, sip: SipCall, leg: LegHandle, send: Literal["auto", "info", "inband"]) -> None:
        self._sip = sip
        self._leg = leg
        self._send = send
        self._infos: asyncio.Queue[str] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None

    def use(self, leg: LegHandle) -> None:
        """Another leg carries the call: before it is answered."""
        self._leg = leg

    def method(self, takes_events: bool) -> DigitMethod:
        """How digits go out, to a peer that takes telephone events or doesn't."""
        if self._send != "auto":
            return self._send
        if takes_events:
            return "rfc4733"
        return "info" if allows_info(self._sip.invite) else "inband"

    def press(self, digits: str, takes_events: bool) -> DigitMethod:
        """Send digits after those still on their way. Raises ValueError, with none sent, if one is none."""
        if wrong := set(digits.upper()) - set(DIGITS):
            raise ValueError(f"not DTMF digits: {' '.join(sorted(wrong))}")
        method = self.method(takes_events)
        if method == "info":
            for digit in digits.upper():
                self._infos.put_nowait(digit)
            if self._sending is None:
                self._sending = asyncio.create_task(self._send_infos())
        else:
            self._leg.send_digits(digits.upper(), method == "inband")
        return method

    def close(self) -> None:
        """The call is over: what is still to be sent, is not."""
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None  # how it ended holds the frame that it ended in, and so this object

    async def _send_infos(self) -> None:
        """One INFO a press, at the pace of fingers: gateways make tones of them."""
        while True:
            self._sip.send_digit(await self._infos.get(), INFO_PRESS_MS)
            await asyncio.sleep((INFO_PRESS_MS + INFO_PAUSE_MS) / 1000)


def allows_info(invite: IncomingInvite | None) -> bool:
    """Does the peer take INFO? Not if it lists its methods (RFC 3261, 20.5) without it."""
    allowed = [value for name, value in (invite.headers if invite else ()) if name.lower() == "allow"]
    return not allowed or "INFO" in (method.strip().upper() for method in ",".join(allowed).split(","))
