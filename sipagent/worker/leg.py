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

from rtp.events import ItemPlayed, MarkReached, PlayoutEvent
from rtp.playout import Playout
from rtp.session import RtpParams
from rtp.udp import UdpPair
from sipagent.backends.base import (
    AudioFinished,
    AudioReceived,
    BackendEvent,
    BackendFinished,
    BackendLost,
    CallerSpeechStarted,
)
from sipagent.backends.factory import create_backend
from sipagent.backends.local import LocalBackend
from sipagent.config import AgentConfig
from sipagent.errors import BackendError, EndReason, ReasonCode
from sipagent.events import DigitMethod
from sipagent.formats import CODECS
from sipagent.media import pipeline
from sipagent.media.recorder import RecordingWriter
from sipagent.worker.bridge import Bridge, Ringing, Source
from sipagent.worker.ipc import OpenLeg
from sipagent.worker.presses import Presses
from sipagent.worker.reporter import Emit, Reporter
from sipagent.worker.stream import Stream, Upwards
from sipagent.worker.ticker import Ticker

PLAYOUT_MAX_MS = 180_000
#: The mark in playout after the last word of a backend that has finished.
FINISHED = "finished"


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
        self._sockets = sockets
        self._ticker = ticker
        self._recordings = recordings
        self._reporter = Reporter(order.call_id, emit, keeps_digits=order.record_digits)
        self._presses = Presses()
        law = CODECS[order.codec]
        self._backend = create_backend(agent, law, order.history) if order.has_agent else LocalBackend(law)
        queued = pipeline.playout_format(self._backend.output_format)
        self._playout = Playout(queued.bytes_per_ms, queued.silence, PLAYOUT_MAX_MS)
        self._agent = pipeline.agent(self._backend.output_format, self._to_playout)
        self._item = ("", 0)
        self._finished: BackendFinished | None = None
        self._stream: Stream | None = None
        self._is_aside = False
        self._bridge: Bridge | None = None
        self._dismissing: asyncio.Task[None] | None = None
        self._end: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Open, flow, finish. Returns when the last event has been emitted."""
        try:
            if await self._open():
                await self._finish(*await self._end)
        finally:
            for sock in self._sockets:
                sock.close()
            await self._backend.close()

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
            playout=self._playout,
            backend=self._backend,
            agent=self._agent,
            reporter=self._reporter,
            open_udp=partial(UdpPair, *self._sockets),
            ticker=self._ticker,
            leg=Upwards(played=self.played, press=self.press, end=self.close),
            recordings=self._recordings,
        )

    def played(self, event: PlayoutEvent, now: float) -> None:
        """Playout noticed something."""
        self._reporter.playout(event, now)
        match event:
            case ItemPlayed(item_id=item_id, interrupted=False):
                self._backend.played(item_id)
            case MarkReached(name=name) if name == FINISHED and self._finished is not None:
                self._reporter.backend(self._finished, now)

    def press(self, digit: str, duration_ms: int, method: DigitMethod) -> None:
        """The caller pressed a key. One press may be told of by each method, and counts once."""
        now = time.monotonic()
        if method == "info" and self._stream is not None:
            self._stream.mute_press(duration_ms)
        if self._presses.is_new(digit, duration_ms, method, now):
            if self._bridge is not None and method != "inband":  # tones get there by themselves
                self._bridge.pass_digit(self, digit)
            elif not self._is_aside:
                self._backend.send_digit(digit)
            self._reporter.digit(digit, duration_ms, method, now)

    def say(self, text: str) -> None:
        self._backend.say(text)

    def inject(self, text: str, respond: bool) -> None:
        self._backend.inject(text, respond)

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        self._backend.answer_tool(tool_call_id, output)

    def instruct(self, instructions: str) -> None:
        self._backend.instruct(instructions)

    def send_digits(self, digits: str, inband: bool) -> None:
        """Press keys towards the peer; nobody is there to hear them before `start`."""
        if self._stream is not None:
            self._stream.send_digits(digits, inband)

    def set_aside(self, ringing: bool = False, agent_listens: bool = False) -> None:
        """The agent neither hears the caller, unless it is to listen, nor is heard by it.

        What it was saying is cut off, what it says from now on is dropped.
        """
        if not self._is_aside:
            self._barge_in(time.monotonic())
        self._is_aside = True
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
        self._dismissing = asyncio.create_task(self._backend.close())

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
        self._is_aside = False
        if self._stream is not None:
            self._stream.hear(None)
            self._stream.let_agent_listen(True)

    def close(self, reason: str, detail: str = "") -> None:
        """End the leg. The first reason stands."""
        if not self._end.done():
            self._end.set_result((reason, detail))

    async def _open(self) -> bool:
        began = time.monotonic()
        opening: asyncio.Future[Any] = asyncio.ensure_future(self._backend.open(self._on_backend_event))
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
        self._reporter.ready((now - began) * 1000, now)
        self._backend.greet()
        return True

    async def _finish(self, reason: str, detail: str) -> None:
        if self._bridge is not None:
            self._bridge.end()
        self._backend.finish()
        report, recording = await self._stream.finish() if self._stream else ({}, None)
        audio = self._backend.counters() | {"playout_dropped_ms": round(self._playout.overflowed_ms)}
        self._reporter.ended(reason, detail, report, audio, recording, time.monotonic())

    def _on_backend_event(self, event: BackendEvent) -> None:
        now = time.monotonic()
        match event:
            case AudioReceived(item_id=item_id, content_index=index) if self._is_aside:
                self._backend.interrupt(item_id, index, heard_ms=0)
            case AudioReceived(item_id=item_id, content_index=index, audio=audio):
                self._item = (item_id, index)
                self._agent.write(audio, now)
            case AudioFinished(item_id=item_id, content_index=index):
                self._playout.end_item(item_id, index)
            case CallerSpeechStarted() if not self._is_aside:
                self._barge_in(now)
            case BackendFinished():
                self._finished = event
                self._playout.mark(FINISHED)
                return
            case BackendLost():
                self.close(EndReason.BACKEND_LOST, f"{event.code}: {event.message}")
        self._reporter.backend(event, now)

    def _barge_in(self, now: float) -> None:
        """The caller speaks: nothing more of the agent goes out, and the model learns what was heard."""
        flushed = self._playout.flush()
        if flushed.heard is not None:
            item_id, index, heard_ms = (
                flushed.heard.item_id,
                flushed.heard.content_index,
                flushed.heard.heard_ms,
            )
            self._backend.interrupt(item_id, index, heard_ms)
        elif flushed.unheard:
            self._backend.interrupt(*flushed.unheard[0], heard_ms=0)
        else:
            self._backend.interrupt(None, 0, 0)
        if self._stream is not None:
            self._stream.report_playout(now)

    def _to_playout(self, audio: bytes, now: float) -> None:
        self._playout.push(audio, *self._item)
        if self._stream is not None:
            self._stream.begin_speech(now)
