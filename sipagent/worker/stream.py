"""The phone side of a leg while audio flows: sockets, RTP session, audio path, recording, on the tick.

in    udp -> rtp.session (latch, statistics, jitter buffer) -> pipeline.caller -> backend
out   playout -> pipeline.wire -> rtp.session -> udp

On an SRTP call rtp.srtp stands between rtp.session and udp, both ways.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rtp.address import Address
from rtp.events import DigitReceived
from rtp.params import SrtpParams
from rtp.playout import Playout, StarvationCause
from rtp.session import JitterConfig, RtpParams, RtpSession
from rtp.srtp import SrtpUdp
from rtp.udp import UdpPair
from sipagent.backends.base import Backend
from sipagent.formats import CODECS
from sipagent.media import pipeline
from sipagent.media.nodes import Node
from sipagent.media.recorder import Recorder, RecordingOutcome, RecordingWriter
from sipagent.worker.ipc import OpenLeg
from sipagent.worker.reporter import Reporter
from sipagent.worker.ticker import FRAME_MS, MAX_CATCH_UP_FRAMES, OnFailure, Ticker

RECORDING_DEADLINE_S = 5.0

OpenUdp = Callable[
    [Callable[[bytes, Address, float], None], Callable[[bytes, Address, float], None]], UdpPair
]


class Stream:
    """Flows from construction to `finish`. `agent` is the path from backend to playout, for the printout."""

    def __init__(
        self,
        order: OpenLeg,
        params: RtpParams,
        *,
        playout: Playout,
        backend: Backend,
        agent: Node,
        reporter: Reporter,
        open_udp: OpenUdp,
        ticker: Ticker,
        on_failure: OnFailure,
        recordings: RecordingWriter,
    ) -> None:
        now = time.monotonic()
        self._order = order
        self._phone = CODECS[params.codec]
        self._queued = pipeline.playout_format(backend.output_format)
        self._playout = playout
        self._backend = backend
        self._agent = agent
        self._reporter = reporter
        self._ticker = ticker
        jitter = JitterConfig(order.jitter_min_ms, order.jitter_max_ms)
        self._session = RtpSession(params, jitter, now, unix_offset_s=time.time() - now)
        self._recorder: Recorder | None = None
        if order.recording is not None:
            path = Path(order.recording)
            self._recorder = Recorder(path, recordings, caller=self._phone, agent=self._queued, start=now)
        self._caller, self._wire = self._build_path()
        self._udp = open_udp(self._on_rtp, self._on_rtcp)
        self._secure: SrtpUdp | None = None
        self._way_out: UdpPair | SrtpUdp = self._udp
        if params.srtp is not None:
            self._encrypt(params.srtp, now)
        self._udp.open()
        ticker.add(self._tick, on_failure)

    def update(self, params: RtpParams) -> None:
        """Take what a re-INVITE changed: address, codec, direction, keys."""
        now = time.monotonic()
        if params.srtp is not None:
            self._encrypt(params.srtp, now)
        self._session.update_remote(params, now)
        if CODECS[params.codec] != self._phone:
            self._phone = CODECS[params.codec]
            self._caller, self._wire = self._build_path()

    def report_playout(self, now: float) -> None:
        """Tell what playout noticed."""
        while (event := self._playout.next_event()) is not None:
            self._reporter.playout(event, now)

    async def finish(self) -> tuple[dict[str, Any], RecordingOutcome | None]:
        """Stop, say goodbye by RTCP, complete the recording. Returns the RTP report and the recording."""
        now = time.monotonic()
        self._ticker.remove(self._tick)
        self._playout.flush()
        self.report_playout(now)
        self._session.close(now)
        self._send()
        self._udp.close()
        return self._report(now), await self._finish_recording(now)

    def _report(self, now: float) -> dict[str, Any]:
        report = self._session.report(now)
        if self._secure is not None:
            srtp = self._secure.srtp
            refused = replace(report.inbound, unauthenticated=srtp.unauthenticated, replayed=srtp.replayed)
            report = replace(report, inbound=refused)
        return report.as_dict()

    def _encrypt(self, params: SrtpParams, now: float) -> None:
        """Put SRTP between sockets and session, or change its keys. A call never goes back to plain RTP."""
        if self._secure is None:
            self._secure = SrtpUdp(self._udp, params, self._on_rtp, self._on_rtcp)
            self._way_out = self._secure
        else:
            self._secure.srtp.rekey(params, now)

    async def _finish_recording(self, now: float) -> RecordingOutcome | None:
        """A call ends in time even if the disk hangs: then its recording is completed when it can be."""
        if self._recorder is None:
            return None
        try:
            async with asyncio.timeout(RECORDING_DEADLINE_S):
                return await asyncio.wrap_future(self._recorder.finish(now))
        except TimeoutError:
            return RecordingOutcome(str(self._order.recording), truncated=True)

    def _build_path(self) -> tuple[Node, Node]:
        backend = self._backend
        caller = pipeline.caller(
            self._phone, backend.input_format, lambda audio, now: backend.send_audio(audio), self._recorder
        )
        wire = pipeline.wire(self._queued, self._phone, self._session.send_frame, self._recorder)
        path = f"caller: rtp -> {caller} | agent: backend -> {self._agent} -> {wire}"
        self._reporter.path_built(path, time.monotonic())
        return caller, wire

    def _on_rtp(self, data: bytes, addr: Address, now: float) -> None:
        self._session.receive_datagram(data, addr, now)
        self._drain(now)

    def _on_rtcp(self, data: bytes, addr: Address, now: float) -> None:
        self._session.receive_rtcp(data, addr, now)

    def _drain(self, now: float) -> None:
        """Move what the jitter buffer lets go, holes concealed, and tell what the session noticed.

        It goes on in one piece, of which the last was heard now: a recording so finds the place of audio that
        was held back.
        """
        frames: list[bytes] = []
        while (frame := self._session.pop_frame(now)) is not None:
            frames.append(frame.payload)
        if frames:
            self._caller.write(b"".join(frames), now)
        while (event := self._session.next_event()) is not None:
            self._reporter.rtp(event, now)
            if isinstance(event, DigitReceived):
                self._backend.send_digit(event.digit)

    def _tick(self, now: float, late_s: float) -> None:
        self._drain(now)
        if self._session.may_send:
            frame = self._playout.pop(FRAME_MS, now, starvation_cause(late_s))
            self._wire.write(frame.audio, now)
            self.report_playout(now)
        self._session.handle_timer(now)
        self._send()
        if self._recorder is not None:
            self._recorder.advance(now)

    def _send(self) -> None:
        for data, addr in self._session.datagrams_to_send():
            self._way_out.send(data, addr)
        for data, addr in self._session.rtcp_to_send():
            self._way_out.send_rtcp(data, addr)


def starvation_cause(late_s: float) -> StarvationCause:
    """Whom to blame if there is nothing to send on a tick that comes `late_s` late."""
    frames_late = late_s * 1000 / FRAME_MS
    if frames_late > MAX_CATCH_UP_FRAMES:
        return StarvationCause.WORKER_OVERLOADED
    return StarvationCause.LOOP_LATE if frames_late > 1 else StarvationCause.BACKEND_LATE
