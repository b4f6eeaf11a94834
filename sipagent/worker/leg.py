"""One leg: where RTP, the audio path and a backend meet.

    RTP in   udp -> rtp.session (latch, stats, jitter) -> pipeline.from_rtp -> backend
    RTP out  backend -> pipeline.from_backend -> playout -> pipeline.from_playout -> rtp.session -> udp

A leg opens its backend, reports that it is ready, flows from `start` to `close`, and reports its end once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtp.events import DigitReceived as RtpDigit
from rtp.events import ItemPlayed, ItemStarted, SourceLatched
from rtp.playout import Playout, StarvationCause
from rtp.session import JitterConfig, RtpParams, RtpSession
from rtp.udp import UdpPair
from sipagent import events, logs
from sipagent.backends.base import (
    AudioFinished,
    AudioReceived,
    BackendEvent,
    BackendLost,
    CallerSpeechStarted,
    CallerSpeechStopped,
    ProblemReported,
    TranscriptFinished,
    UsageCounted,
)
from sipagent.backends.factory import create_backend
from sipagent.config import AgentConfig
from sipagent.errors import BackendError, EndReason, ReasonCode
from sipagent.formats import CODECS
from sipagent.media import pipeline
from sipagent.media.recorder import Recorder, RecordingWriter
from sipagent.worker.ipc import OpenLeg
from sipagent.worker.ticker import FRAME_MS, Ticker

log = logs.get_logger(__name__)

PLAYOUT_MAX_MS = 180_000


class Leg:
    """One object per call in a worker; lives from `OpenLeg` to `LegEnded` (or `LegFailed`)."""

    def __init__(
        self,
        order: OpenLeg,
        agent: AgentConfig,
        *,
        rtp_socket: socket.socket,
        rtcp_socket: socket.socket,
        emit: Callable[[events.LegEvent], None],
        ticker: Ticker,
        recordings: RecordingWriter,
    ) -> None:
        self.call_id = order.call_id
        self._order = order
        self._emit = emit
        self._ticker = ticker
        self._recordings = recordings
        self._phone = CODECS[order.codec]
        self._backend = create_backend(agent, self._phone)
        queued = pipeline.playout_format(self._backend.output_format)
        self._playout = Playout(queued.bytes_per_ms, queued.silence, PLAYOUT_MAX_MS)
        self._pushing = ("", 0)
        self._udp = UdpPair(rtp_socket, rtcp_socket, self._on_rtp, self._on_rtcp)
        self._session: RtpSession | None = None
        self._recorder: Recorder | None = None
        self._path = self._build_path()
        self._end: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    # --- the story ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open, flow, finish. Returns when the last event has been emitted."""
        try:
            if await self._open():
                reason, detail = await self._end
                await self._finish(reason, detail)
        finally:
            self._ticker.remove(self._tick)
            self._udp.close()
            await self._backend.close()

    def start(self, params: RtpParams) -> None:
        """Audio flows from now on: RTP is read and sent, and the recording begins."""
        now = time.monotonic()
        self._phone = CODECS[params.codec]
        self._session = RtpSession(
            params, JitterConfig(self._order.jitter_min_ms, self._order.jitter_max_ms), now
        )
        if self._order.recording is not None:
            self._recorder = Recorder(
                Path(self._order.recording),
                self._recordings,
                caller=self._phone,
                agent=pipeline.playout_format(self._backend.output_format),
                start=now,
            )
        self._path = self._build_path()
        self._udp.open()
        self._ticker.add(self._tick)

    def update(self, params: RtpParams) -> None:
        """A re-INVITE changed address, codec or direction."""
        if self._session is None:
            self.start(params)
            return
        self._session.update_remote(params, time.monotonic())
        if CODECS[params.codec] != self._phone:
            self._phone = CODECS[params.codec]
            self._path = self._build_path()
            log.info("path_rebuilt", path=str(self._path))

    def press(self, digit: str) -> None:
        """The caller pressed a key, and it came by signalling."""
        self._backend.send_digit(digit)

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
            with contextlib.suppress(asyncio.CancelledError):
                await opening
            self._fail(503, ReasonCode.DRAINING, "closed before the backend was ready")
            return False
        try:
            opening.result()
        except BackendError as error:
            self._fail(error.sip_status, error.reason_code, str(error))
            return False
        ready_ms = (time.monotonic() - began) * 1000
        self._emit(
            events.LegReady(
                call_id=self.call_id,
                at=time.monotonic(),
                pipeline=str(self._path),
                ready_ms=round(ready_ms, 1),
            )
        )
        self._backend.greet()
        return True

    def _fail(self, sip_status: int, reason_code: str, detail: str) -> None:
        self._emit(
            events.LegFailed(
                call_id=self.call_id,
                at=time.monotonic(),
                sip_status=sip_status,
                reason_code=reason_code,
                detail=detail,
            )
        )

    async def _finish(self, reason: str, detail: str) -> None:
        now = time.monotonic()
        self._ticker.remove(self._tick)
        self._playout.flush()
        self._report_playout(now)
        rtp, recording = {}, None
        if self._session is not None:
            self._session.close(now)
            self._send()
            rtp = self._session.report(now).as_dict()
        if self._recorder is not None:
            recording = await asyncio.wrap_future(self._recorder.finish(now))
        self._emit(
            events.LegEnded(
                call_id=self.call_id,
                at=now,
                reason=reason,
                detail=detail,
                rtp=rtp,
                audio=self._backend.counters() | {"playout_dropped_ms": round(self._playout.overflowed_ms)},
                recording=recording.path if recording else None,
                recording_truncated=recording.truncated if recording else False,
            )
        )

    # --- RTP in -------------------------------------------------------------------------------------

    def _on_rtp(self, data: bytes, addr: tuple[str, int], now: float) -> None:
        assert self._session is not None
        self._session.receive_datagram(data, addr, now)
        self._drain(now)

    def _on_rtcp(self, data: bytes, addr: tuple[str, int], now: float) -> None:
        assert self._session is not None
        self._session.receive_rtcp(data, addr, now)

    def _drain(self, now: float) -> None:
        """Move what the jitter buffer lets go, holes concealed, and tell what the session noticed."""
        assert self._session is not None
        while (frame := self._session.pop_frame(now)) is not None:
            self._path.from_rtp.write(frame.payload, now)
        while (event := self._session.next_event()) is not None:
            match event:
                case SourceLatched():
                    self._emit(
                        events.MediaStarted(
                            call_id=self.call_id, at=now, source=f"{event.addr[0]}:{event.addr[1]}"
                        )
                    )
                case RtpDigit():
                    self._emit(
                        events.DigitReceived(
                            call_id=self.call_id, at=now, digit=event.digit, duration_ms=event.duration_ms
                        )
                    )
                    self._backend.send_digit(event.digit)

    # --- RTP out ------------------------------------------------------------------------------------

    def _tick(self, now: float, late_s: float) -> None:
        assert self._session is not None
        self._drain(now)
        if self._session.may_send:
            cause = StarvationCause.LOOP_LATE if late_s > FRAME_MS / 1000 else StarvationCause.BACKEND_LATE
            self._path.from_playout.write(self._playout.pop(FRAME_MS, now, cause).audio, now)
            self._report_playout(now)
        self._session.handle_timer(now)
        self._send()
        if self._recorder is not None:
            self._recorder.advance(now)

    def _to_rtp(self, payload: bytes, now: float) -> None:
        assert self._session is not None
        self._session.send_frame(payload, now)

    def _send(self) -> None:
        assert self._session is not None
        for data, addr in self._session.datagrams_to_send():
            self._udp.send(data, addr)
        for data, addr in self._session.rtcp_to_send():
            self._udp.send_rtcp(data, addr)

    def _report_playout(self, now: float) -> None:
        while (event := self._playout.next_event()) is not None:
            match event:
                case ItemStarted():
                    self._emit(events.AgentSpeechStarted(call_id=self.call_id, at=now, item_id=event.item_id))
                case ItemPlayed():
                    self._emit(
                        events.AgentSpeechEnded(
                            call_id=self.call_id,
                            at=now,
                            item_id=event.item_id,
                            played_ms=event.played_ms,
                            flushed_ms=event.flushed_ms,
                            interrupted=event.interrupted,
                            starvations={cause.value: frames for cause, frames in event.starvations.items()},
                        )
                    )

    # --- the backend --------------------------------------------------------------------------------

    def _on_backend_event(self, event: BackendEvent) -> None:
        now = time.monotonic()
        match event:
            case AudioReceived():
                self._pushing = (event.item_id, event.content_index)
                self._path.from_backend.write(event.audio, now)
            case AudioFinished():
                self._playout.end_item(event.item_id, event.content_index)
            case CallerSpeechStarted():
                self._barge_in(now)
                self._emit(
                    events.SpeechStarted(
                        call_id=self.call_id, at=now, item_id=event.item_id, audio_ms=event.audio_ms
                    )
                )
            case CallerSpeechStopped():
                self._emit(
                    events.SpeechStopped(
                        call_id=self.call_id, at=now, item_id=event.item_id, audio_ms=event.audio_ms
                    )
                )
            case TranscriptFinished():
                self._emit(
                    events.Transcript(
                        call_id=self.call_id, at=now, role=event.role, item_id=event.item_id, text=event.text
                    )
                )
            case UsageCounted():
                self._emit(
                    events.UsageReported(call_id=self.call_id, at=now, source=event.source, usage=event.usage)
                )
            case ProblemReported():
                self._emit(
                    events.BackendProblem(
                        call_id=self.call_id, at=now, code=event.code, message=event.message
                    )
                )
            case BackendLost():
                self.close(EndReason.BACKEND_LOST, f"{event.code}: {event.message}")

    def _barge_in(self, now: float) -> None:
        """The caller speaks: nothing more of the agent goes out, and the model learns what was heard."""
        flushed = self._playout.flush()
        if flushed.heard is not None:
            heard = flushed.heard
            self._backend.interrupt(heard.item_id, heard.content_index, heard.heard_ms)
        elif flushed.unheard:
            self._backend.interrupt(*flushed.unheard[0], heard_ms=0)
        else:
            self._backend.interrupt(None, 0, 0)
        self._report_playout(now)

    def _to_playout(self, audio: bytes, now: float) -> None:
        item_id, content_index = self._pushing
        self._playout.push(audio, item_id, content_index)

    def _build_path(self) -> pipeline.Pipeline:
        return pipeline.build(
            phone=self._phone,
            backend_input=self._backend.input_format,
            backend_output=self._backend.output_format,
            to_backend=lambda audio, now: self._backend.send_audio(audio),
            to_playout=self._to_playout,
            to_rtp=self._to_rtp,
            recorder=self._recorder,
        )
