"""One leg: where a call's audio and a backend meet.

A leg opens its backend, reports that it is ready, lets a `Stream` flow from `start` to `close`, and reports
its end. Agent audio that comes before `start` waits in playout, like all agent audio.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from socket import socket
from typing import Any

import msgspec

from rtp.answering import AnsweringParams
from rtp.session import RtpParams
from rtp.udp import UdpPair
from sipagent.config import AgentConfig
from sipagent.errors import BackendError, EndReason, ReasonCode
from sipagent.events import DigitMethod
from sipagent.formats import CODECS
from sipagent.media.answering import AnswerWatch
from sipagent.media.recorder import RecordingWriter
from sipagent.worker.agent.side import ABANDONED_S, AgentSide
from sipagent.worker.orders import OpenLeg, UseBackend, agent_config
from sipagent.worker.phone.bridge import Bridge, Ringing, Source
from sipagent.worker.phone.stream import LOOK_EVERY_S, Stream, Upwards
from sipagent.worker.presses import Presses
from sipagent.worker.reporter import Emit, Reporter
from sipagent.worker.ticker import Ticker

#: Looks from one snapshot to the next: a second.
SNAPSHOT_LOOKS = round(1 / LOOK_EVERY_S)


class Leg:
    """One object per call in a worker; lives from `OpenLeg` to `LegEnded` (or `LegFailed`)."""

    def __init__(
        self,
        order: OpenLeg,
        agent: AgentConfig,
        sockets: tuple[socket, socket],
        *,
        emit: Emit,
        ticker: Ticker,
        recordings: RecordingWriter,
    ) -> None:
        self.call_id = order.call_id
        self._order = order
        self._agent_name = agent.name
        self._sockets = sockets
        self._ticker = ticker
        self._recordings = recordings
        self._reporter = Reporter(order.call_id, emit, keeps_digits=order.record_digits)
        self._presses = Presses()
        if order.resumption is not None and order.resumption.pressed is not None:
            self._presses.remember(*order.resumption.pressed, time.monotonic())
        self.agent = AgentSide(order, agent, self._reporter)
        self._speaker = self.agent.speaker
        self._stream: Stream | None = None
        self._is_tapped = False
        self._bridge: Bridge | None = None
        self._looks = 0
        self._end: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Open, flow, finish. Returns when the last event has been emitted."""
        try:
            if await self._open():
                await self._finish(*await self._end)
        finally:
            for sock in self._sockets:
                sock.close()
            await self.agent.close()
            self._stream = None

    def start(self, params: RtpParams) -> None:
        """Audio flows from now on; once it does, a re-INVITE's changes are taken up. Too late for a leg that
        is ending: its sockets may be closed."""
        if self._end.done():
            return
        if self._stream is not None:
            self._stream.update(params)
            return
        self._stream = Stream(
            self._order,
            params,
            playout=self._speaker.playout,
            backend=self.agent.backend,
            agent=self._speaker.path,
            queued=self._speaker.queued,
            ears=self._speaker.ears,
            answering=self._answer_watch(),
            reporter=self._reporter,
            open_udp=partial(UdpPair, *self._sockets, skips_old=self._awaits_answer),
            ticker=self._ticker,
            leg=Upwards(
                played=self._speaker.played,
                tick=self._speaker.tick,
                look=self._look,
                press=self.press,
                end=self.close,
            ),
            recordings=self._recordings,
            clock=time.monotonic,
            unix_offset_s=time.time() - time.monotonic(),
        )
        self._speaker.line = self._stream
        self._stream.tap(self._is_tapped)

    def _answer_watch(self) -> AnswerWatch | None:
        """If it is to be told who answers. A leg that goes on for another knows nothing of the beginning."""
        if not self._order.detects_machine or self._order.resumption is not None:
            return None
        analysis = agent_config(self._order.agent).answering_machine.analysis
        return AnswerWatch(AnsweringParams(**analysis.model_dump()), self._reporter.answering)

    def tap(self, on: bool) -> None:
        """Somebody outside wants to hear the call, or does no more."""
        self._is_tapped = on
        if self._stream is not None:
            self._stream.tap(on)

    def start_recording(self) -> None:
        """Record, if the call is to be recorded, from now on or from the start."""
        if self._stream is not None:
            self._stream.start_recording()
        else:
            self._order = msgspec.structs.replace(self._order, record_at_once=True)

    def press(self, digit: str, duration_ms: int, method: DigitMethod) -> None:
        """The caller pressed a key. One press may be told of by each method, and counts once."""
        now = time.monotonic()
        if method == "info" and self._stream is not None:
            self._stream.mute_press(duration_ms)
        if self._presses.is_new(digit, duration_ms, method, now):
            if self._bridge is not None and method != "inband":  # tones get there by themselves
                self._bridge.pass_digit(self, digit)
            else:
                self.agent.press(digit)
            self._reporter.digit(digit, duration_ms, method, now)

    def use_backend(self, order: UseBackend) -> None:
        """Have another backend speak for the call, in the law that the phone speaks."""
        law = CODECS[self._order.codec] if self._stream is None else self._stream.format
        self.agent.use_backend(order, law)

    def send_digits(self, digits: str, inband: bool) -> None:
        """Press keys towards the peer; nobody is there to hear them before `start`."""
        if self._stream is not None:
            self._stream.send_digits(digits, inband)

    def set_aside(self, ringing: bool = False, agent_listens: bool = False) -> None:
        """The agent neither hears the caller, unless it is to listen, nor is heard by it.

        What it was saying is cut off, what it says from now on is dropped.
        """
        self.agent.set_aside()
        if self._stream is not None:
            self._stream.let_agent_listen(agent_listens)
            self._stream.hear(Ringing() if ringing else None)

    def join(self, other: Leg, agent_listens: bool) -> None:
        """Let two phones talk to each other."""
        self.set_aside(agent_listens=agent_listens)
        other.dismiss_agent()
        Bridge(self, other)

    def dismiss_agent(self) -> None:
        """The agent has done what it was there for: its session ends, the leg goes on."""
        self.set_aside()
        self.agent.dismiss()

    @property
    def voice(self) -> Stream | None:
        return self._stream

    def hear(self, voice: Source | None, bridge: Bridge | None) -> None:
        self._bridge = bridge
        if self._stream is not None:
            self._stream.hear(voice)
            self._stream.be_drawn_from(voice is not None)

    def give_back(self) -> None:
        """The agent has its caller back."""
        if self._bridge is not None:
            self._bridge.end()
        self.agent.give_back()
        if self._stream is not None:
            self._stream.hear(None)
            self._stream.let_agent_listen(True)

    def close(self, reason: str, detail: str = "") -> None:
        """End the leg. The first reason stands."""
        if not self._end.done():
            self._end.set_result((reason, detail))

    async def _open(self) -> bool:
        began = time.monotonic()
        opening: asyncio.Future[Any] = asyncio.ensure_future(self.agent.open())
        either: set[asyncio.Future[Any]] = {opening, self._end}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError, BackendError):
                await opening
            self._reporter.failed(503, ReasonCode.DRAINING, "closed before it was ready", time.monotonic())
            return False
        try:
            opening.result()
        except BackendError as error:
            self._reporter.failed(error.sip_status, error.reason_code, str(error), time.monotonic())
            return False
        now = time.monotonic()
        self._reporter.ready(self._agent_name, (now - began) * 1000, self.agent.expires_at, now)
        if self._order.resumption is None:
            self._speaker.greet()
        return True

    async def _finish(self, reason: str, detail: str) -> None:
        if self._bridge is not None:
            self._bridge.end()
        self.agent.backend.finish()
        report, recording = await self._stream.finish() if self._stream else ({}, None)
        self._reporter.ended(reason, detail, report, self._counters(), recording, time.monotonic())

    def _counters(self) -> dict[str, int]:
        """What became of audio between RTP and the backend, from the beginning of the call."""
        audio = self.agent.counters()
        if self._stream is not None and (early_packets := self._stream.early_packets):
            audio["early_packets"] = early_packets
        lost = self._order.resumption
        if lost is not None:
            for name, count in lost.audio.items():
                audio[name] = audio.get(name, 0) + count
        return audio

    def _tell_state(self, now: float) -> None:
        if self._stream is not None:
            self._reporter.snapshot(
                self._stream.handover(now),
                self._counters(),
                self._stream.recorded_since,
                self._speaker.playout.being_heard,
                now,
            )

    @property
    def _awaits_answer(self) -> bool:
        """Is what has come in so far from before anybody answered? Not where it came between two workers."""
        return self._order.discards_early and self._order.resumption is None

    def _look(self, now: float) -> None:
        if self._looks % SNAPSHOT_LOOKS == 0:
            self._tell_state(now)
        self._looks += 1
        if self.agent.is_abandoned(now):
            self.close(EndReason.BACKEND_LOST, f"nobody spoke for the agent for {ABANDONED_S:g} s")
