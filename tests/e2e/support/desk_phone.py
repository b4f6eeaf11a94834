"""A telephone with keys for hold and mute, which hears digits by every method."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from rtp import g711
from rtp.dtmf import DigitReceiver
from rtp.events import DigitReceived
from rtp.inband import InbandDigits
from rtp.packet import parse
from tests.e2e.support.phone import Phone
from tests.e2e.support.setup import Setup
from tests.e2e.support.sip import Address, Message, request
from tests.e2e.support.talker import TELEPHONE_EVENT

AnyPhone = TypeVar("AnyPhone", bound=Phone)


class DeskPhone(Phone):
    """Without `events` it offers no telephone-event. `infos` are the bodies of the INFO requests it got."""

    def __init__(self, setup: Setup, *, events: bool = True, **options: Any) -> None:
        super().__init__(setup, **options)
        self.infos: list[str] = []
        self.digits_heard: list[DigitReceived] = []
        self._events = events
        self._receiver = DigitReceiver()
        self._direction, self._at_nowhere, self._version = "sendrecv", False, 1

    # --- keys ---------------------------------------------------------------------------------------

    async def hold(self, direction: str = "sendonly", *, at_nowhere: bool = False) -> Message:
        """Re-INVITE with this direction, as RFC 3264 has it, or `at_nowhere`, 0.0.0.0, as RFC 2543 had it.

        It goes on sending what it has to say: music, perhaps. Returns the answer.
        """
        self._direction, self._at_nowhere = direction, at_nowhere
        return await self._reinvite()

    async def resume(self) -> Message:
        self._direction, self._at_nowhere = "sendrecv", False
        return await self._reinvite()

    def mute(self) -> None:
        """Send no RTP any more, and say nothing about it."""
        self._stop_talking()

    def press_by_info(self, digit: str, duration_ms: int = 160) -> None:
        body = f"Signal={digit}\r\nDuration={duration_ms}\r\n"
        self._sip.send(self._request("INFO", body, "application/dtmf-relay"), self._to)

    def tones_heard(self) -> str:
        """The digits that are in the audio."""
        heard = InbandDigits().feed(g711.ulaw_to_pcm(self.audio_heard()))
        return "".join(press.digit for press in heard)

    # --- what is different from a plain phone -------------------------------------------------------

    def _request(self, method: str, body: str, content_type: str) -> bytes:
        """The next one within the call."""
        assert self.answer is not None
        self._cseq += 1
        return request(
            method,
            self._uri,
            self._sip.address,
            call_id=self.sip_call_id,
            from_tag=self._tag,
            to=self.answer["to"],
            cseq=self._cseq,
            body=body,
            content_type=content_type,
        )

    async def _reinvite(self) -> Message:
        self._version += 1
        self._send("INVITE", body=self._offer())
        answer = await self._final("INVITE")
        assert answer.status == 200
        self._send("ACK")
        return answer

    def _offer(self) -> str:
        lines = super()._offer().replace("o=- 1 1 ", f"o=- 1 {self._version} ").split("\r\n")
        if self._at_nowhere:
            lines = ["c=IN IP4 0.0.0.0" if line.startswith("c=") else line for line in lines]
        if not self._events:
            lines = [line.removesuffix(f" {TELEPHONE_EVENT}") for line in lines if "telephone" not in line]
        return "\r\n".join([*lines[:-1], f"a={self._direction}", ""])

    def _receive_sip(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        if not message.status and message.method == "INFO":
            self.infos.append(message.body)
        super()._receive_sip(data, addr)

    def _receive_rtp(self, data: bytes, addr: Address) -> None:
        packet = parse(data)
        if packet.payload_type == TELEPHONE_EVENT:
            self.digits_heard += self._receiver.receive(packet.payload, packet.timestamp, 0.0)
            self._heard_more.set()
        elif packet.payload:
            super()._receive_rtp(data, addr)


@contextlib.asynccontextmanager
async def desk_call(setup: Setup, **options: Any) -> AsyncIterator[DeskPhone]:
    """A call that has been answered."""
    async with answered(DeskPhone(setup, **options)) as caller:
        yield caller


@contextlib.asynccontextmanager
async def answered(caller: AnyPhone) -> AsyncIterator[AnyPhone]:
    """Its call, until the end of the context."""
    await caller.open()
    try:
        answer = await caller.invite()
        assert answer.status == 200, answer
        yield caller
    finally:
        caller.close()
