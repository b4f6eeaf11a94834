"""The media worker process: one uvloop, many legs, no pjsua2.

Started by `worker.control.supervisor` as `python -m sipagent.worker FD NUMBER LOGGING`: its end of the
socketpair, and the logging section as JSON. It ends when that closes: recordings are completed first.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
import time

import structlog
import uvloop

from sipagent import compiled, logs
from sipagent.config import LoggingConfig
from sipagent.errors import EndReason, SipAgentError
from sipagent.events import LegEnded, LegEvent, LegFailed
from sipagent.media.recorder import RecordingWriter
from sipagent.worker.channel import Channel
from sipagent.worker.leg import Leg
from sipagent.worker.orders import (
    AnswerTool,
    CloseLeg,
    GiveBack,
    Inject,
    Instruct,
    JoinLegs,
    OpenLeg,
    PlayPrompt,
    PressDigit,
    Recall,
    Say,
    SendDigits,
    SetAside,
    StartMedia,
    StartRecording,
    StopPrompt,
    TapAudio,
    ToLeg,
    ToWorker,
    UseBackend,
    agent_config,
)
from sipagent.worker.priority import Priority
from sipagent.worker.reports import AudioTapped, Beat, LegSnapshot, LegTaken, WorkerReady, WorkerReport
from sipagent.worker.ticker import Ticker

log = logs.get_logger(__name__)

REPORT_EVERY_S = 1.0
BEAT_EVERY_S = 0.15


BEAT = Beat()


class Worker:
    """Owns the legs of one process. Every leg runs in a task of its own and dies with it."""

    def __init__(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._ticker = Ticker(loop)
        self._recordings = RecordingWriter()
        self._legs: dict[str, Leg] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()
        self._channel = Channel(sock, ToWorker, self._receive, self._closed.set)

    async def run(self) -> None:
        """Serve until the control process closes the channel."""
        self._channel.send(WorkerReady(pid=os.getpid(), is_compiled=compiled.LIBRARY in sys.modules))
        regular = [asyncio.create_task(self._report()), asyncio.create_task(self._beat())]
        await self._closed.wait()
        for task in regular:
            task.cancel()
        for leg in self._legs.values():
            leg.close(EndReason.SERVER_CRASHED)
        await asyncio.gather(*self._tasks)
        self._ticker.stop()
        self._recordings.close()

    def _receive(self, message: ToWorker, fds: list[int]) -> None:
        if isinstance(message, OpenLeg):
            self._channel.send(LegTaken(call_id=message.call_id))
            self._open(message, fds)
            return
        leg = self._legs.get(message.call_id)
        if leg is None:
            return
        try:
            if isinstance(message, JoinLegs):
                self._join(leg, message)
            else:
                tell(leg, message)
        except Exception as error:  # the worker's edge: a leg that can't do as told must not live on deaf
            log.exception("leg_crashed", call_id=leg.call_id)
            leg.close(EndReason.INTERNAL_ERROR, repr(error))

    def _join(self, leg: Leg, message: JoinLegs) -> None:
        other = self._legs.get(message.other)
        if other is not None:
            leg.join(other, message.agent_listens)

    def _open(self, order: OpenLeg, fds: list[int]) -> None:
        rtp_socket, rtcp_socket = sockets = (socket.socket(fileno=fds[0]), socket.socket(fileno=fds[1]))
        try:
            leg = Leg(
                order,
                agent_config(order.agent),
                sockets,
                emit=self._emit,
                ticker=self._ticker,
                recordings=self._recordings,
            )
        except Exception as error:  # the worker's edge: whoever ordered the leg must hear of it
            log.exception("leg_not_built", call_id=order.call_id)
            rtp_socket.close()
            rtcp_socket.close()
            self._channel.send(not_built(order.call_id, error))
            return
        self._legs[order.call_id] = leg
        task = asyncio.create_task(self._run_leg(leg), name=f"leg {order.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_leg(self, leg: Leg) -> None:
        with structlog.contextvars.bound_contextvars(call_id=leg.call_id):
            try:
                await leg.run()
            except Exception:  # the worker's edge: one leg's defect must not end the others
                log.exception("leg_crashed")
                self._channel.send(
                    LegEnded(call_id=leg.call_id, at=time.monotonic(), reason=EndReason.INTERNAL_ERROR)
                )
            finally:
                del self._legs[leg.call_id]

    def _emit(self, told: LegEvent | AudioTapped | LegSnapshot) -> None:
        """A snapshot goes with what is told next, a beat later at most."""
        self._channel.send(told, may_wait=isinstance(told, LegSnapshot))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            self._channel.send(BEAT)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            usage = resource.getrusage(resource.RUSAGE_SELF)
            self._channel.send(
                WorkerReport(
                    at=time.monotonic(),
                    legs=len(self._legs),
                    tasks=len(asyncio.all_tasks()),
                    cpu_s=usage.ru_utime + usage.ru_stime,
                    rss_bytes=resident_bytes(),
                    ticks=self._ticker.ticks,
                    tick_late_buckets=list(self._ticker.late_buckets),
                    tick_late_sum_s=self._ticker.late_sum_s,
                    ticks_skipped=self._ticker.skipped,
                )
            )


def tell(leg: Leg, message: ToLeg) -> None:
    """Have one leg do as told; what takes two is the worker's."""
    match message:
        case StartMedia():
            leg.start(message.params)
        case PressDigit():
            leg.press(message.digit, message.duration_ms, "info")
        case SendDigits():
            leg.send_digits(message.digits, message.inband)
        case Say():
            leg.agent.say(message.text, message.interruptible)
        case Inject():
            leg.agent.inject(message.text, message.respond)
        case AnswerTool():
            leg.agent.answer_tool(message.tool_call_id, message.output)
        case PlayPrompt():
            leg.agent.play(message)
        case StopPrompt():
            leg.agent.stop_prompt(message.prompt_id)
        case UseBackend():
            leg.use_backend(message)
        case Recall():
            leg.agent.recall(message.history)
        case StartRecording():
            leg.start_recording()
        case Instruct():
            leg.agent.instruct(message.instructions)
        case SetAside():
            leg.set_aside(message.ringing, message.agent_listens)
        case GiveBack():
            leg.give_back()
        case TapAudio():
            leg.tap(message.on)
        case CloseLeg():
            leg.close(message.reason)


def not_built(call_id: str, error: Exception) -> LegFailed:
    known = error if isinstance(error, SipAgentError) else SipAgentError(repr(error))
    return LegFailed(
        call_id=call_id,
        at=time.monotonic(),
        sip_status=known.sip_status,
        reason_code=known.reason_code,
        detail=str(known),
    )


def resident_bytes() -> int:
    """Resident set size of this process (proc(5), statm)."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    fd, number = int(sys.argv[1]), int(sys.argv[2])
    # The control process decides when a worker ends; a terminal's or a service manager's signal must not.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure(LoggingConfig.model_validate_json(sys.argv[3]))
    structlog.contextvars.bind_contextvars(worker=number)
    gc.freeze()

    async def run() -> None:
        guarding = asyncio.create_task(Priority().guard())
        await Worker(socket.socket(fileno=fd)).run()
        guarding.cancel()

    uvloop.run(run())
