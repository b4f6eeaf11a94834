"""A telephone behind a PBX that takes REFER: the test says what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.e2e.support.desk_phone import DeskPhone, answered
from tests.e2e.support.setup import Setup
from tests.e2e.support.sip import Address, Message
from tests.e2e.support.waiting import PATIENCE_S


class ReferredPhone(DeskPhone):
    """Answers a REFER with `takes`, and keeps it in `refer`. `holds` are the directions it was asked for."""

    def __init__(self, setup: Setup, *, takes: str = "202 Accepted", **options: Any) -> None:
        super().__init__(setup, **options)
        self.refer: Message | None = None
        self.holds: list[str] = []
        self._takes = takes
        self._referred = asyncio.Event()

    async def referred(self) -> Message:
        async with asyncio.timeout(PATIENCE_S):
            await self._referred.wait()
        assert self.refer is not None
        return self.refer

    def notify(self, status: str) -> None:
        """Tell how the REFER gets on: `100 Trying`, `486 Busy Here`; a final status ends the subscription."""
        is_last = int(status.split()[0]) >= 200
        message = self._request("NOTIFY", f"SIP/2.0 {status}\r\n", "message/sipfrag;version=2.0")
        state = "terminated;reason=noresource" if is_last else "active;expires=60"
        headers = f"Event: refer\r\nSubscription-State: {state}\r\nMax-Forwards".encode()
        self._sip.send(message.replace(b"Max-Forwards", headers), self._to)

    def _receive_sip(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        if message.method == "REFER" and not message.status:
            self._sip.send(message.answer.replace(b"200 OK", self._takes.encode()), addr)
            self.refer = message
            self._referred.set()
        elif message.method == "INVITE" and not message.status:
            self._be_reinvited(message, addr)
        else:
            super()._receive_sip(data, addr)

    def _be_reinvited(self, message: Message, addr: Address) -> None:
        asked = next(line[2:] for line in message.body.split("\r\n") if line in DIRECTIONS)
        self.holds.append(asked)
        self._direction = {"sendonly": "recvonly", "sendrecv": "sendrecv"}[asked]
        self._version += 1
        body = self._offer()
        head = message.answer.removesuffix(b"Content-Length: 0\r\n\r\n").decode()
        contact = f"Contact: <sip:+15550001@{self._sip.address[0]}:{self._sip.address[1]}>"
        length = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}"
        self._sip.send(f"{head}{contact}\r\n{length}\r\n\r\n{body}".encode(), addr)


DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")


@contextlib.asynccontextmanager
async def referred_call(setup: Setup, **options: Any) -> AsyncIterator[ReferredPhone]:
    """A call that has been answered."""
    async with answered(ReferredPhone(setup, **options)) as caller:
        yield caller
