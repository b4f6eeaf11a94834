"""The media side of a call, whose worker is the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from rtp.session import RtpParams
from sipagent import events
from sipagent.errors import NoWorker, ReasonCode
from sipagent.worker.orders import OpenLeg, ToLeg

#: What a leg reports of its packets, as far as anybody here wants to know.
RTP = {"inbound": {"packets": 50, "buffer_depth_ms": 20.0, "mos": 4.4}}


class FakeWorkers:
    """Workers that carry one leg at most, which does what the test says, and ends when it is closed."""

    def __init__(self) -> None:
        self.order: OpenLeg | None = None
        self.sockets: tuple[socket.socket, ...] = ()
        self.started: list[RtpParams] = []
        self.pressed: list[tuple[str, int]] = []
        self.dialled: list[tuple[str, bool]] = []
        self.told: list[ToLeg] = []
        self.are_gone = self.is_slow_to_close = False
        self.defect: Exception | None = None
        self._tell: Callable[[events.LegEvent], None] | None = None
        self._is_ready = False
        self._told = asyncio.Event()
        self._opened = asyncio.Event()
        self._flowing = asyncio.Event()

    def open_leg(
        self, order: OpenLeg, sockets: tuple[socket.socket, ...], on_event: Callable[[events.LegEvent], None]
    ) -> FakeWorkers:
        if self.are_gone:
            raise NoWorker("no media worker is running")
        self.order, self.sockets, self._tell = order, sockets, on_event
        self._opened.set()
        return self

    # --- what the call orders ---

    def start(self, params: RtpParams) -> None:
        if self.defect is not None:
            raise self.defect
        self.started.append(params)
        self._flowing.set()

    def press(self, digit: str, duration_ms: int = 0) -> None:
        self.pressed.append((digit, duration_ms))

    def send_digits(self, digits: str, inband: bool = False) -> None:
        self.dialled.append((digits, inband))

    def tell(self, message: ToLeg) -> None:
        self.told.append(message)
        self._told.set()

    def close(self, reason: str) -> None:
        if self.is_slow_to_close:
            return
        if self._is_ready:
            self.end(reason)
        else:
            self.fail(503, ReasonCode.DRAINING)

    # --- what the worker does ---

    async def opened(self) -> None:
        async with asyncio.timeout(2):
            await self._opened.wait()

    def expect_another(self) -> None:
        """`opened` waits for the leg after this one."""
        self._opened.clear()

    async def until_told(self, message: type[ToLeg]) -> None:
        async with asyncio.timeout(2):
            while not any(isinstance(told, message) for told in self.told):
                self._told.clear()
                await self._told.wait()

    async def flowing(self) -> None:
        async with asyncio.timeout(2):
            await self._flowing.wait()

    def get_ready(self) -> None:
        self._is_ready = True
        self._report(events.LegReady(call_id="c-1", at=1.0, ready_ms=10.0))

    def fail(self, sip_status: int, reason_code: str) -> None:
        self._last(
            events.LegFailed(
                call_id="c-1", at=1.0, sip_status=sip_status, reason_code=reason_code, detail="why"
            )
        )

    def end(self, reason: str) -> None:
        self._last(events.LegEnded(call_id="c-1", at=1.0, reason=reason, rtp=RTP))

    def report(self, event: events.LegEvent) -> None:
        self._report(event)

    def _report(self, event: events.LegEvent) -> None:
        if self._tell is not None:
            self._tell(event)

    def _last(self, event: events.LegEvent) -> None:
        self._report(event)
        self._tell = None
