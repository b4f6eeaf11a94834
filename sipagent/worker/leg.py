"""One leg: where a call's audio and a backend meet.

A leg opens its backend, reports that it is ready, lets a `Stream` flow from `start` to `close`, and reports
its end. Agent audio that comes before `start` waits in playout, like all agent audio.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from functools import partial
from socket import socket
from typing import Any

import msgspec

from rtp.answering import AnsweringParams
from rtp.session import RtpParams
from rtp.udp import UdpPair
from sipagent.backends.base import Backend
from sipagent.backends.factory import create_backend
from sipagent.backends.local import LocalBackend
from sipagent.config import AgentConfig
from sipagent.conversation import HistoryItem
from sipagent.errors import BackendError, ConfigError, EndReason, ReasonCode
from sipagent.events import DigitMethod
from sipagent.formats import CODECS
from sipagent.media.answering import AnswerWatch
from sipagent.media.recorder import RecordingWriter
from sipagent.worker.agent.jukebox import Jukebox
from sipagent.worker.agent.speaker import Speaker
from sipagent.worker.orders import OpenLeg, PlayPrompt, Resumption, UseBackend, agent_config
from sipagent.worker.phone.bridge import Bridge, Ringing, Source
from sipagent.worker.phone.stream import LOOK_EVERY_S, Stream, Upwards
from sipagent.worker.presses import Presses
from sipagent.worker.reporter import Emit, Reporter
from sipagent.worker.ticker import Ticker

#: A call that has lost its backend stands for so long, whatever is done about it.
ABANDONED_S = 300.0
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
        self._speaker = Speaker(agent, first_backend(order, agent), self._reporter)
        self._goes_on(order.resumption)
        self._jukebox = Jukebox(self._speaker.prompts, self._speaker.queued, self._reporter.prompt_ended)
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
            self._jukebox.close()
            await self._speaker.seat.close()

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
            backend=self._backend,
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
            elif not self._speaker.is_aside:
                self._backend.send_digit(digit)
            self._reporter.digit(digit, duration_ms, method, now)

    def say(self, text: str, interruptible: bool = True) -> None:
        self._speaker.is_firm |= not interruptible
        self._backend.say(text)

    def inject(self, text: str, respond: bool) -> None:
        self._backend.inject(text, respond)

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        self._backend.answer_tool(tool_call_id, output)

    def instruct(self, instructions: str) -> None:
        self._backend.instruct(instructions)

    def recall(self, history: Sequence[HistoryItem]) -> None:
        self._backend.recall(history)

    def play(self, order: PlayPrompt) -> None:
        self._jukebox.play(order)

    def stop_prompt(self, prompt_id: str) -> None:
        self._jukebox.stop(prompt_id, time.monotonic())

    def use_backend(self, order: UseBackend) -> None:
        """Have another backend speak for the call, as soon as it is ready and has its moment."""
        now = time.monotonic()
        agent = agent_config(order.agent)
        law = CODECS[self._order.codec] if self._stream is None else self._stream.format
        try:
            backend = create_backend(agent, law, order.history)
        except ConfigError as error:
            self._reporter.not_replaced(agent.name, "config_error", str(error), True, now)
        else:
            self._speaker.seat.send_for(order, agent.name, backend, now)

    def send_digits(self, digits: str, inband: bool) -> None:
        """Press keys towards the peer; nobody is there to hear them before `start`."""
        if self._stream is not None:
            self._stream.send_digits(digits, inband)

    def set_aside(self, ringing: bool = False, agent_listens: bool = False) -> None:
        """The agent neither hears the caller, unless it is to listen, nor is heard by it.

        What it was saying is cut off, what it says from now on is dropped.
        """
        if not self._speaker.is_aside:
            self._speaker.interrupt(time.monotonic())
        self._speaker.is_aside = True
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
        self._speaker.dismiss(time.monotonic())

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
        self._speaker.is_aside = False
        if self._speaker.seat.vacant_since is not None:
            self._speaker.seat.vacant_since = time.monotonic()
        if self._stream is not None:
            self._stream.hear(None)
            self._stream.let_agent_listen(True)

    def close(self, reason: str, detail: str = "") -> None:
        """End the leg. The first reason stands."""
        if not self._end.done():
            self._end.set_result((reason, detail))

    async def _open(self) -> bool:
        began = time.monotonic()
        opening: asyncio.Future[Any] = asyncio.ensure_future(self._speaker.seat.open_first())
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
        self._reporter.ready(self._agent_name, (now - began) * 1000, self._speaker.seat.expires_at, now)
        if self._order.resumption is None:
            self._speaker.greet()
        return True

    def _goes_on(self, lost: Resumption | None) -> None:
        """Be what another worker's leg was, as far as that isn't told anew."""
        if lost is None:
            return
        if self._order.has_agent:
            self._speaker.seat.vacant_since = time.monotonic()
        if lost.pressed is not None:
            self._presses.remember(*lost.pressed, time.monotonic())

    async def _finish(self, reason: str, detail: str) -> None:
        if self._bridge is not None:
            self._bridge.end()
        self._backend.finish()
        report, recording = await self._stream.finish() if self._stream else ({}, None)
        self._reporter.ended(reason, detail, report, self._counters(), recording, time.monotonic())

    def _counters(self) -> dict[str, int]:
        """What became of audio between RTP and the backend, from the beginning of the call."""
        audio = self._speaker.seat.counters()
        audio["playout_dropped_ms"] = round(self._speaker.playout.overflowed_ms)
        if false_starts := self._speaker.turns.false_starts:
            audio["false_barge_ins"] = false_starts
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

    @property
    def _backend(self) -> Backend:
        """Whoever speaks for the agent now, if only nobody."""
        return self._speaker.backend

    def _look(self, now: float) -> None:
        if self._looks % SNAPSHOT_LOOKS == 0:
            self._tell_state(now)
        self._looks += 1
        vacant_since = self._speaker.seat.vacant_since
        if vacant_since is not None and now - vacant_since >= ABANDONED_S and not self._speaker.is_aside:
            self.close(EndReason.BACKEND_LOST, f"nobody spoke for the agent for {ABANDONED_S:g} s")


def first_backend(order: OpenLeg, agent: AgentConfig) -> Backend:
    """Who speaks at first: nobody for a leg without agent, and for one that goes on from another worker's."""
    law = CODECS[order.codec]
    if order.has_agent and order.resumption is None:
        return create_backend(agent, law, order.history)
    return LocalBackend(law)
