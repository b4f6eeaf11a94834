"""A simulated caller: a SIP client of our own that calls, speaks, listens, interrupts, records and hangs up.

It is a real peer: its own pjsua2 user agent, its own RTP session, real packets. What it hears is timed by
arrival, so that silence after an interruption can be measured on the wire.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from rtp import wav
from rtp.pacer import Pacer
from rtp.ports import PortPool
from rtp.session import RtpSession
from rtp.udp import UdpPair
from sipagent.call.order import rtp_params
from sipagent.config import Config, HostPort, SipConfig, TrunkConfig
from sipagent.errors import ReasonCode
from sipagent.formats import CODECS
from sipagent.media.nodes import decoder, encoder
from sipagent.media.pipeline import PCM_8K
from sipagent.media.stereo import interleave
from sipagent.simulator import voice
from sipagent.sip.agent import SipAgent
from sipagent.sip.call import SipCall
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    LocalMedia,
    MediaNegotiated,
    NegotiatedMedia,
    Transport,
)

PEER = "server"
FRAME_BYTES = 160
FRAME_S = 0.02
#: RMS of a 20 ms frame above which somebody speaks (16-bit full scale is 32768).
SPEECH_RMS = 300.0
#: This much quiet after speech is the end of a turn.
TURN_END_S = 0.7


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to say: PCM at 8000 Hz, said in turn, or `over` the agent `after_s` into its speech."""

    pcm: bytes
    interrupts: bool = False
    after_s: float = 1.5


@dataclass(frozen=True, slots=True)
class CallerOptions:
    """One call. `wait_s` bounds every wait for the agent; who `speaks_first` waits for nobody."""

    uri: str
    listen: HostPort
    utterances: Sequence[Utterance] = ()
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    from_uri: str | None = None
    wait_s: float = 20.0
    speaks_first: bool = False
    ports: tuple[int, int] = (30000, 30999)


@dataclass
class CallOutcome:
    """What became of the call, in monotonic seconds. `heard` holds every frame of audio with its arrival."""

    sip_status: int = 0
    reason: str = ""
    codec: str = ""
    invited_at: float = 0.0
    answered_at: float | None = None
    ended_by_peer: bool = False
    said: bytearray = field(default_factory=bytearray)
    heard: list[tuple[float, bytes]] = field(default_factory=list)
    report: dict[str, object] = field(default_factory=dict)

    @property
    def heard_audio(self) -> bytes:
        """All that was heard, as law bytes."""
        return b"".join(payload for _, payload in self.heard)

    def write_wav(self, path: Path) -> None:
        """Stereo: what the caller said left, what it heard right."""
        decode = decoder(CODECS[self.codec])
        said, heard = decode(bytes(self.said)), decode(self.heard_audio)
        samples = min(len(said), len(heard)) // 2
        data = interleave(said[: 2 * samples], heard[: 2 * samples])
        path.write_bytes(wav.header(channels=2, rate=8000, data_bytes=len(data)) + data)


class Caller:
    """One simulated call; `run` it once."""

    def __init__(self, options: CallerOptions, sip: SipAgent, ports: PortPool) -> None:
        self._options = options
        self._sip = sip
        self._ports = ports
        self._outcome = CallOutcome()
        self._session: RtpSession | None = None
        self._udp: UdpPair | None = None
        self._to_say: deque[bytes] = deque()
        self._frame_heard = asyncio.Event()
        self._speech_since: float | None = None
        self._last_speech: float | None = None
        self._ended = asyncio.Event()
        self._live = asyncio.Event()

    async def run(self) -> CallOutcome:
        """Call, hold the conversation, hang up. Raises TimeoutError if the agent doesn't speak in time."""
        pair = self._ports.acquire(time.monotonic())
        self._outcome.invited_at = time.monotonic()
        local = LocalMedia(self._options.listen.host, pair.port, pair.port + 1, self._options.codecs)
        call = self._sip.place_call(PEER, self._options.uri, local, from_uri=self._options.from_uri)
        self._udp = UdpPair(pair.rtp_sock, pair.rtcp_sock, self._on_rtp, self._on_rtcp)
        conversation = asyncio.create_task(self._converse())
        tasks = [conversation, asyncio.create_task(self._follow(call)), asyncio.create_task(self._pace())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            call.hang_up()
            await asyncio.wait_for(self._ended.wait(), self._options.wait_s)
            if conversation.done():
                conversation.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._udp.close()
            self._ports.release(pair, time.monotonic())
        if self._session is not None:
            self._outcome.report = self._session.report(time.monotonic()).as_dict()
        return self._outcome

    async def _follow(self, call: SipCall) -> None:
        while True:
            match await call.next_event():
                case MediaNegotiated(media):
                    self._start_media(media)
                case CallConfirmed():
                    self._outcome.answered_at = time.monotonic()
                    self._go_live()
                case CallDisconnected(sip_status, reason, by_remote):
                    self._outcome.sip_status, self._outcome.reason = sip_status, reason
                    self._outcome.ended_by_peer = by_remote
                    self._ended.set()
                    return

    async def _converse(self) -> None:
        await self._live.wait()
        for utterance in self._options.utterances:
            if utterance.interrupts:
                await self._until(partial(self._spoke_for, utterance.after_s))
            elif not self._options.speaks_first:
                await self._until(self._agent_is_done)
            await self._say(utterance.pcm)
        if not self._options.speaks_first:
            await self._until(self._agent_is_done)

    async def _say(self, pcm: bytes) -> None:
        law = encoder(CODECS[self._outcome.codec])(pcm)
        frames = [law[at : at + FRAME_BYTES] for at in range(0, len(law) - FRAME_BYTES + 1, FRAME_BYTES)]
        self._to_say.extend(frames)
        await self._until(lambda now: not self._to_say)
        # What the agent said until now is no answer to this.
        self._speech_since = self._last_speech = None

    async def _until(self, condition: Callable[[float], bool]) -> None:
        """Wait for a condition on what is heard, asked after every frame."""
        async with asyncio.timeout(self._options.wait_s):
            while not condition(time.monotonic()):
                self._frame_heard.clear()
                await self._frame_heard.wait()

    def _spoke_for(self, seconds: float, now: float) -> bool:
        return self._speech_since is not None and now - self._speech_since >= seconds

    def _agent_is_done(self, now: float) -> bool:
        return self._last_speech is not None and now - self._last_speech >= TURN_END_S

    async def _pace(self) -> None:
        """Send a frame every 20 ms on an absolute schedule."""
        await self._live.wait()
        pacer = Pacer(time.monotonic(), FRAME_S * 1000)
        while True:
            for _ in range(pacer.due(time.monotonic())):
                self._send_frame(time.monotonic())
            await asyncio.sleep(max(0.0, pacer.next_due - time.monotonic()))

    def _send_frame(self, now: float) -> None:
        assert self._session is not None
        assert self._udp is not None
        payload = (
            self._to_say.popleft() if self._to_say else CODECS[self._outcome.codec].silence * FRAME_BYTES
        )
        self._outcome.said += payload
        self._session.send_frame(payload, now)
        self._session.handle_timer(now)
        for data, addr in self._session.datagrams_to_send():
            self._udp.send(data, addr)
        for data, addr in self._session.rtcp_to_send():
            self._udp.send_rtcp(data, addr)

    def _start_media(self, media: NegotiatedMedia) -> None:
        if self._session is not None:
            self._session.update_remote(rtp_params(media), time.monotonic())
            return
        assert self._udp is not None
        self._outcome.codec = media.codec
        self._session = RtpSession(rtp_params(media), now=time.monotonic())
        self._udp.open()
        self._go_live()

    def _go_live(self) -> None:
        """The conversation begins when the call stands and its media is known, whichever comes last."""
        if self._session is not None and self._outcome.answered_at is not None:
            self._live.set()

    def _on_rtp(self, data: bytes, addr: tuple[str, int], now: float) -> None:
        assert self._session is not None
        self._session.receive_datagram(data, addr, now)
        while (frame := self._session.pop_frame(now)) is not None:
            self._hear(frame.payload, now)

    def _on_rtcp(self, data: bytes, addr: tuple[str, int], now: float) -> None:
        assert self._session is not None
        self._session.receive_rtcp(data, addr, now)

    def _hear(self, payload: bytes, now: float) -> None:
        self._outcome.heard.append((now, payload))
        if rms(decoder(CODECS[self._outcome.codec])(payload)) >= SPEECH_RMS:
            self._speech_since = self._speech_since or now
            self._last_speech = now
        self._frame_heard.set()


def rms(pcm: bytes) -> float:
    """Root mean square of 16-bit samples."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples * samples))) if len(samples) else 0.0


def caller_config(listen: HostPort, peer_ip: str, transport: Transport = "udp") -> Config:
    """A configuration whose only trunk is the server that the caller calls."""
    listeners = {f"listen_{name}": listen if name == transport else None for name in ("udp", "tcp", "tls")}
    trunk = TrunkConfig(name=PEER, allowed_addresses=(peer_ip,), transport=transport)
    return Config(sip=SipConfig(**listeners, user_agent="sipagent-caller"), trunks={PEER: trunk})


async def place_call(options: CallerOptions, transport: Transport = "udp") -> CallOutcome:
    """One call from a user agent of its own."""
    host = host_of(options.uri)
    sip = SipAgent(
        caller_config(options.listen, host, transport),
        on_invite=lambda call: call.refuse(486, reason_code=ReasonCode.NUMBER_UNKNOWN),
        on_trunk=lambda event: None,
    )
    ports = PortPool(options.listen.host, *options.ports)
    await sip.start()
    try:
        return await Caller(options, sip, ports).run()
    finally:
        await sip.stop()
        ports.close()


def host_of(uri: str) -> str:
    """The host of a SIP URI, an IPv6 address without its brackets."""
    host = uri.partition(":")[2].rpartition("@")[2].partition(";")[0]
    return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]


def utterance(text: str) -> Utterance:
    """A WAV file's name or words to speak, with `!` before it if it interrupts the agent."""
    words = text.removeprefix("!")
    path = Path(words)
    pcm = voice.wav_file(path, PCM_8K) if path.suffix == ".wav" else voice.speech(words, PCM_8K)
    return Utterance(pcm, interrupts=text.startswith("!"))
