"""A telephone that is called: it rings, and answers, refuses or lets ring as the test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from tests.e2e.support.desk_phone import DeskPhone
from tests.e2e.support.setup import Setup
from tests.e2e.support.sip import Address, Message, Socket, host_port
from tests.e2e.support.waiting import PATIENCE_S


class HumanPhone(DeskPhone):
    """`invited` is the INVITE it got. Once it has answered it is as any phone in a call; who was refused may
    call again."""

    def __init__(self, setup: Setup, *, port: int, **options: Any) -> None:
        super().__init__(setup, **options)
        self._port = port
        self.invited: Message | None = None
        self.cancelled = asyncio.Event()
        self.answered = asyncio.Event()
        self._rings = asyncio.Event()
        self._caller: Address = ("", 0)

    async def open(self) -> None:
        await super().open()
        self._sip.close()
        self._sip = await Socket.open(self._receive_sip, (self._host, self._port))

    async def rings(self) -> Message:
        """Wait until it does, and say so to the caller."""
        async with asyncio.timeout(PATIENCE_S):
            await self._rings.wait()
        assert self.invited is not None
        return self.invited

    async def play_early(self, audio: bytes) -> None:
        """183 with SDP, and RTP before anybody has answered: a ringing tone, say. Returns when it is out."""
        invite = await self.rings()
        self._respond(183, "Session Progress", self._offer())
        self._talk(invite.body)
        await self.say(audio)

    async def pick_up(self) -> None:
        """200, and talk once it is acknowledged."""
        invite = await self.rings()
        self.answered.clear()
        self._stop_talking()
        self._respond(200, "OK", self._offer())
        async with asyncio.timeout(PATIENCE_S):
            await self.answered.wait()
        self._talk(invite.body)
        self.codec = self._codecs[0]

    async def refuse(self, status: int, reason: str) -> None:
        await self.rings()
        self._respond(status, reason)
        self.invited = None
        self._rings.clear()

    def _respond(self, status: int, reason: str, body: str = "") -> None:
        assert self.invited is not None
        copied = ("via", "from", "call-id", "cseq", "record-route")
        lines = [
            f"SIP/2.0 {status} {reason}",
            *(f"{name}: {value}" for name, value in self.invited.headers if name in copied),
            f"To: {self.invited['to']};tag={self._tag}",
            f"Contact: <sip:human@{host_port(self._sip.address)}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._sip.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), self._caller)

    def _receive_sip(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        if message.status or message.method not in ("INVITE", "ACK", "CANCEL"):
            super()._receive_sip(data, addr)
        elif message.method == "INVITE" and self.invited is None:
            self.invited, self._caller = message, addr
            self._as_called(message)
            self._respond(180, "Ringing")
            self._rings.set()
        elif message.method == "ACK":
            self.answered.set()
        elif message.method == "CANCEL":
            self._sip.send(message.answer, addr)
            self._respond(487, "Request Terminated")
            self.cancelled.set()

    def _as_called(self, invite: Message) -> None:
        """What we send within the call goes the other way round."""
        self.sip_call_id = invite["call-id"]
        self._uri = invite["contact"].strip("<>")
        self._to = self._caller
        # `Phone` takes To and tag of its own requests from the answer it got: here the caller is the peer.
        self.answer = Message("", (("to", invite["from"]),), "")


Kind = TypeVar("Kind", bound=HumanPhone)


@contextlib.asynccontextmanager
async def on_the_hook(called: Kind) -> AsyncIterator[Kind]:
    """A telephone that nobody has called yet."""
    await called.open()
    try:
        yield called
    finally:
        called.close()


@contextlib.asynccontextmanager
async def human(setup: Setup, port: int, **options: Any) -> AsyncIterator[HumanPhone]:
    """A telephone on this port."""
    async with on_the_hook(HumanPhone(setup, port=port, **options)) as called:
        yield called
