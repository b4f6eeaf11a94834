"""A leg on the bench: a scripted backend on one side, a phone on the other, time in the test's hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import pytest

from rtp.events import RtpEvent
from rtp.packet import RtpPacket, parse, serialize
from rtp.session import RtpParams, RtpSession
from sipagent import events
from sipagent.config import AgentConfig
from sipagent.conversation import HistoryItem
from sipagent.formats import ULAW, AudioFormat
from sipagent.media.recorder import RecordingWriter
from sipagent.worker import leg as leg_module
from sipagent.worker.agent import jukebox as jukebox_module
from sipagent.worker.agent import seat as seat_module
from sipagent.worker.agent import side as side_module
from sipagent.worker.leg import Leg
from sipagent.worker.orders import OpenLeg, UseBackend
from sipagent.worker.phone import tape
from sipagent.worker.ticker import OnFailure, Tick, Ticker
from tests.worker.fake_udp import PHONE, US, FakeSocket, FakeUdp
from tests.worker.scripted_backend import ScriptedBackend

FRAME = 160
SILENCE = ULAW.silence * FRAME
CALL_ID = "c-1"
#: The only clock of a bench that the test doesn't hold: a machine may let it wait.
PATIENCE_S = 30.0

Event = TypeVar("Event", bound=events.CallEvent)


def noise(frames: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(0, 128, frames * FRAME, np.uint8).tobytes()


class Bench(Ticker):
    """A leg, everything it touches, and its clock: `beat` is one tick of 20 ms."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        audio: AudioFormat,
        recording: Path | None,
        agent_keys: dict[str, Any] | None = None,
        **order: Any,
    ) -> None:
        self.agent = {"name": "a", "backend": {"kind": "openai_realtime"}} | (agent_keys or {})
        self.now = 100.0
        clock = SimpleNamespace(monotonic=lambda: self.now, time=lambda: 1.7e9 + self.now)
        monkeypatch.setattr(leg_module, "time", clock)
        monkeypatch.setattr(tape, "time", clock)
        for module in (side_module, seat_module, jukebox_module):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(side_module, "create_backend", self._next_backend)
        monkeypatch.setattr(leg_module, "UdpPair", self._make_udp)
        self.backend = ScriptedBackend(audio)
        self.backends = [self.backend]
        self.histories: list[Sequence[HistoryItem]] = []
        self.ticking: dict[Tick, OnFailure] = {}
        self.recordings = RecordingWriter()
        self.sockets = (FakeSocket(), FakeSocket())
        self.events: list[events.CallEvent] = []
        self.udp: FakeUdp | None = None
        self.phone = RtpSession(RtpParams(US), now=self.now)
        self._delivered = b""
        self._told = asyncio.Event()
        ordered = OpenLeg(
            call_id=CALL_ID,
            agent=json.dumps(self.agent),
            codec="PCMU",
            recording=str(recording) if recording else None,
            jitter_min_ms=60,
            jitter_max_ms=200,
            **order,
        )
        agent = AgentConfig.model_validate(self.agent)
        sockets: Any = self.sockets
        self.leg = Leg(ordered, agent, sockets, emit=self._emit, ticker=self, recordings=self.recordings)
        self.running = asyncio.create_task(self.leg.run())

    # --- the backend's and the control process's side -----------------------------------------------

    async def get_ready(self) -> None:
        self.backend.opening.set_result(None)
        await self.told(events.LegReady)

    def start(self, codec: str = "PCMU", **changes: Any) -> None:
        """What offer and answer led to; once more for a re-INVITE."""
        payload_type = {"PCMU": 0, "PCMA": 8}[codec]
        self.leg.start(RtpParams(PHONE, codec=codec, payload_type=payload_type, **changes))
        self.phone.update_remote(RtpParams(US, codec=codec, payload_type=payload_type), self.now)

    async def talk(self) -> None:
        await self.get_ready()
        self.start()

    async def replace(self, by: ScriptedBackend, **order: Any) -> None:
        """Another backend is sent for, and gets ready."""
        self.backends.append(by)
        self.leg.use_backend(
            UseBackend(call_id=CALL_ID, agent=json.dumps(self.agent | {"name": "b"}), **order)
        )
        by.opening.set_result(None)
        successor = self.leg._speaker.seat.successor
        assert successor is not None
        assert successor.opening is not None
        await successor.opening

    # --- the phone's side ---------------------------------------------------------------------------

    def say(self, audio: bytes) -> None:
        """The caller's audio, frame by frame, one beat apart."""
        for at in range(0, len(audio), FRAME):
            self.phone.send_frame(audio[at : at + FRAME], self.now)
            self._deliver()
            self.beat()

    def press(self, digit: str) -> None:
        self.phone.send_digit(digit, 100, self.now)
        for _ in range(10):
            self._deliver()
            self.beat()
            self.phone.handle_timer(self.now)

    def fall_silent(self) -> None:
        """The caller's telephone announces that it sends nothing while nobody speaks (RFC 3389)."""
        assert self.udp is not None
        last = parse(self._delivered)
        pause = RtpPacket(13, last.sequence + 1, last.timestamp + FRAME, last.ssrc, b"\x40")
        self.udp.on_rtp(serialize(pause), PHONE, self.now)

    def beat(self, times: int = 1) -> bytes:
        """Ticks pass. Returns the audio that was sent meanwhile."""
        assert self.udp is not None
        before = len(self.udp.rtp)
        for _ in range(times):
            self.now += 0.02
            for tick in tuple(self.ticking):
                tick(self.now, 0.0)
        return b"".join(packet[12:] for packet in self.udp.rtp[before:])

    def audio_sent(self) -> list[bytes]:
        """The audio of every packet so far; telephone events are none."""
        assert self.udp is not None
        return [data[12:] for data in self.udp.rtp if data[1] & 0x7F in (0, 8)]

    def what_the_phone_noticed(self) -> list[RtpEvent]:
        """All that we sent arrives at once."""
        assert self.udp is not None
        for data in self.udp.rtp:
            self.phone.receive_datagram(data, US, self.now)
        for data in self.udp.rtcp:
            self.phone.receive_rtcp(data, (US[0], US[1] + 1), self.now)
        return list(iter(self.phone.next_event, None))

    # --- what came of it ----------------------------------------------------------------------------

    async def told(self, kind: type[Event]) -> Event:
        """The first event of this kind that was emitted, or will be."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                self._told.clear()
                await self._told.wait()

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def end(self, reason: str = "caller_hung_up") -> events.LegEnded:
        self.leg.close(reason)
        await self.running
        (ended,) = self.all(events.LegEnded)
        assert self.events[-1] is ended
        return ended

    @property
    def is_ending(self) -> bool:
        return self.leg._end.done()

    # --- in the place of the worker -----------------------------------------------------------------

    def add(self, tick: Tick, on_failure: OnFailure) -> None:
        self.ticking[tick] = on_failure

    def remove(self, tick: Tick) -> None:
        del self.ticking[tick]

    def _next_backend(
        self, agent: AgentConfig, law: AudioFormat, history: Sequence[HistoryItem] = ()
    ) -> ScriptedBackend:
        self.histories.append(history)
        return self.backends[len(self.histories) - 1]

    def _make_udp(self, *arguments: Any, **options: Any) -> FakeUdp:
        self.udp = FakeUdp(*arguments, **options)
        return self.udp

    def _emit(self, event: events.LegEvent) -> None:
        self.events.append(event)
        self._told.set()

    def _deliver(self) -> None:
        assert self.udp is not None
        for data, _ in self.phone.datagrams_to_send():
            self._delivered = data
            self.udp.on_rtp(data, PHONE, self.now)
