"""A telephone by hand: SIP messages and RTP packets without the code under test.

Every packet heard is kept with its arrival time, so that a test can say what was on the wire and when.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from rtp import packet
from rtp.pacer import Pacer
from sipagent.formats import CODECS, AudioFormat
from tests.e2e.support import sdp
from tests.e2e.support.namespaces import Namespace
from tests.e2e.support.setup import NUMBER, Setup
from tests.e2e.support.sip import Address, Message, Socket, host_port, parsed_host_port, request
from tests.e2e.support.talker import Talker
from tests.e2e.support.waiting import PATIENCE_S

FRAME_MS = 20


@dataclass(frozen=True, slots=True)
class Heard:
    """An RTP packet that came in, and when by the kernel (CLOCK_MONOTONIC)."""

    at: float
    packet: packet.RtpPacket


class Options(TypedDict, total=False):
    """`speech` is sent from the very first packet, from `host` (by default the server's); the INVITE goes to
    `proxy` (by default the server). `clock_ppm` is by how much the phone's clock is fast. With `noise_dbov`
    it sends a comfort noise packet of that level when it has nothing to say, and then nothing (RFC 3389)."""

    codecs: Sequence[str]
    number: str
    speech: bytes
    host: str
    ptime_ms: int
    proxy: Address
    inside: Namespace | None
    clock_ppm: float
    noise_dbov: int | None


class Phone:
    """One call. Once answered it sends a frame every 20 ms, silence if there is nothing to say.

    `answer` is the final response to the INVITE. `ended` is set by the server's BYE, which is then in `bye`.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        codecs: Sequence[str] = ("PCMU",),
        number: str = NUMBER,
        speech: bytes = b"",
        host: str = "",
        ptime_ms: int = 20,
        proxy: Address | None = None,
        inside: Namespace | None = None,
        clock_ppm: float = 0.0,
        noise_dbov: int | None = None,
    ) -> None:
        self.answer: Message | None = None
        self.bye: Message | None = None
        self.ended = asyncio.Event()
        self.rtp_target: Address = ("", 0)
        self.heard: list[Heard] = []
        self.codec = codecs[0]
        self._codecs = codecs
        self._to: Address = proxy or (setup.host, setup.sip_port)
        self._uri = f"sip:{number}@{host_port(self._to)}"
        self._inside = inside
        self.talker = Talker(ptime_ms, noise_dbov)
        self._host = host or setup.host
        self._ptime_ms = ptime_ms
        self._interval_ms = ptime_ms / (1 + clock_ppm / 1e6)
        self.talking_since = 0.0
        self.sent_at: list[float] = []
        self.sip_call_id = secrets.token_hex(8)
        self._tag = secrets.token_hex(4)
        self._cseq = 0
        self._branch = ""
        self._responses: asyncio.Queue[Message] = asyncio.Queue()
        self._to_say = speech
        self._said = asyncio.Event()
        self._paced = asyncio.Event()
        self._heard_more = asyncio.Event()
        self._pacing: asyncio.Task[None] | None = None
        self._sip: Socket
        self._rtp: Socket

    # --- signalling ---------------------------------------------------------------------------------

    async def open(self) -> None:
        self._sip = await Socket.open(self._receive_sip, (self._host, 0), self._inside)
        self._rtp = await Socket.open(self._receive_rtp, (self._host, 0), self._inside)

    async def invite(self) -> Message:
        """Send an INVITE and acknowledge its final answer, which is returned."""
        self._branch = secrets.token_hex(8)
        self._send("INVITE", body=self._offer(), branch=self._branch)
        return await self._concluded()

    async def ring(self) -> None:
        """Send an INVITE, and return when it rings."""
        self._branch = secrets.token_hex(8)
        self._send("INVITE", body=self._offer(), branch=self._branch)
        while (await self._response("INVITE")).status != 180:
            pass

    async def cancel(self) -> Message:
        """Give up while it rings; returns the final answer to the INVITE."""
        self._send("CANCEL", branch=self._branch)
        return await self._concluded()

    async def _concluded(self) -> Message:
        """The final answer to the INVITE, acknowledged: as part of its transaction unless it is 200."""
        self.answer = answer = await self._final("INVITE")
        if answer.status == 200:
            self._uri = answer["contact"].strip("<>")
            self._to = parsed_host_port(self._uri.partition("@")[2].partition(";")[0])
        self._send("ACK", branch=self._branch if answer.status >= 300 else None)
        if answer.status == 200:
            self._talk(answer.body)
        return answer

    async def hang_up(self) -> None:
        """BYE, and its answer."""
        self._stop_talking()
        self._send("BYE")
        assert (await self._final("BYE")).status == 200

    async def hung_up(self, within_s: float = PATIENCE_S) -> Message:
        """The server's BYE."""
        async with asyncio.timeout(within_s):
            await self.ended.wait()
        assert self.bye is not None
        return self.bye

    def close(self) -> None:
        """Be gone, without a word if the call still stands."""
        self._stop_talking()
        self._sip.close()
        self._rtp.close()

    def _send(self, method: str, *, body: str = "", branch: str | None = None) -> None:
        if method not in ("ACK", "CANCEL"):
            self._cseq += 1
        data = request(
            method,
            self._uri,
            self._sip.address,
            call_id=self.sip_call_id,
            from_tag=self._tag,
            to=self.answer["to"] if self.answer else None,
            cseq=self._cseq,
            branch=branch,
            body=body,
        )
        self._sip.send(data, self._to)

    async def _final(self, method: str) -> Message:
        while (response := await self._response(method)).status < 200:
            pass
        return response

    async def _response(self, method: str) -> Message:
        async with asyncio.timeout(PATIENCE_S):
            while (response := await self._responses.get()).method != method:
                pass
            return response

    def _receive_sip(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        if message.status:
            self._responses.put_nowait(message)
        elif message.method != "ACK":
            self._sip.send(message.answer, addr)
            if message.method == "BYE":
                self._stop_talking()
                self.bye = message
                self.ended.set()

    def _offer(self) -> str:
        return sdp.offer((self._host, self._rtp.address[1]), self._codecs, self._ptime_ms)

    # --- RTP ----------------------------------------------------------------------------------------

    @property
    def law(self) -> AudioFormat:
        return CODECS[self.codec]

    @property
    def rtp_address(self) -> Address:
        """Where this end sends from, and hears."""
        return self._rtp.address

    async def say(self, audio: bytes) -> None:
        """Send law bytes, whole frames of 20 ms; returns when the last is out."""
        self.talker.say(audio)
        self._said.clear()
        async with asyncio.timeout(PATIENCE_S + len(audio) / 8000):
            await self._said.wait()

    async def keep_quiet(self, pause_s: float) -> None:
        """Returns when so much of the phone's own time has passed, in which it says nothing."""
        end = self.talker.timestamp + 8000 * pause_s
        async with asyncio.timeout(PATIENCE_S + pause_s):
            while self.talker.timestamp < end:
                self._paced.clear()
                await self._paced.wait()

    def press(self, digit: str, duration_ms: int = 100) -> None:
        """Send a digit by RFC 4733 in place of the next frames."""
        self.talker.press(digit, duration_ms)

    async def hear(self, enough: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Wait for something of what is heard, asked after every packet."""
        async with asyncio.timeout(within_s):
            while not enough():
                self._heard_more.clear()
                await self._heard_more.wait()

    async def hear_speech(self, ms: int, within_s: float = PATIENCE_S) -> None:
        """Wait until that much of the agent was heard."""
        await self.hear(lambda: len(self.speech_heard()) >= 8 * ms, within_s)

    def audio_heard(self) -> bytes:
        """All audio in the order in which it came."""
        return b"".join(each.packet.payload for each in self.heard)

    def frames_of_speech(self) -> list[Heard]:
        """The packets that aren't silence."""
        return [each for each in self.heard if each.packet.payload.strip(self.law.silence)]

    def speech_heard(self) -> bytes:
        return b"".join(each.packet.payload for each in self.frames_of_speech())

    def _talk(self, answer: str) -> None:
        """The call is answered: send from now on, beginning with what was given to say."""
        self.codec, self.rtp_target = sdp.agreed(answer)
        self.talker.say(self._to_say)
        self.talking_since = time.monotonic()
        self._pacing = asyncio.create_task(self._pace())

    def _stop_talking(self) -> None:
        if self._pacing is not None:
            self._pacing.cancel()

    async def _pace(self) -> None:
        pacer = Pacer(self.talking_since, self._interval_ms, max_catch_up=50)
        while True:
            for _ in range(pacer.due(time.monotonic())):
                if (due := self.talker.next_packet(self.codec)) is not None:
                    serialized = packet.serialize(due)
                    self.sent_at.append(time.monotonic())
                    self._rtp.send(serialized, self.rtp_target)
            if not self.talker.has_speech:
                self._said.set()
            self._paced.set()
            await asyncio.sleep(max(0.0, pacer.next_due - time.monotonic()))

    def _receive_rtp(self, data: bytes, addr: Address) -> None:
        self.heard.append(Heard(self._rtp.arrived_at, packet.parse(data)))
        self._heard_more.set()


@contextlib.asynccontextmanager
async def phone(setup: Setup, **options: Unpack[Options]) -> AsyncIterator[Phone]:
    """A telephone that hasn't called yet."""
    caller = Phone(setup, **options)
    await caller.open()
    try:
        yield caller
    finally:
        caller.close()


@contextlib.asynccontextmanager
async def call(setup: Setup, **options: Unpack[Options]) -> AsyncIterator[Phone]:
    """A call that has been answered."""
    async with phone(setup, **options) as caller:
        answer = await caller.invite()
        assert answer.status == 200, answer
        yield caller
