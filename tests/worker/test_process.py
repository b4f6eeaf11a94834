"""The worker over its socketpair, in this process: real sockets, real clock, no pjsua2."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rtp.packet import RtpPacket, serialize
from rtp.ports import PortPair
from rtp.session import RtpParams
from sipagent import events
from sipagent.formats import ULAW
from sipagent.worker import process
from sipagent.worker.channel import Channel
from sipagent.worker.orders import CloseLeg, OpenLeg, PressDigit, StartMedia
from sipagent.worker.process import Worker
from sipagent.worker.reports import ToControl, WorkerReady, WorkerReport
from tests.media.test_recorder import sides
from tests.rtp.test_ports import pool_of

Event = TypeVar("Event")
ECHO = {"name": "echo", "backend": {"kind": "echo"}}


class Control:
    """The control process's end, and a phone."""

    def __init__(self, sock: socket.socket) -> None:
        self.messages: list[Any] = []
        self._arrived = asyncio.Event()
        self.channel = Channel(sock, ToControl, self._on_message, lambda: None)
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.1", 0))
        self.phone.setblocking(False)

    def open_leg(
        self, pair: PortPair, agent: dict[str, Any] | None = None, recording: Path | None = None, **order: Any
    ) -> None:
        values = {"call_id": "c-1", "codec": "PCMU", "jitter_min_ms": 60, "jitter_max_ms": 200, **order}
        message = OpenLeg(
            agent=json.dumps(agent or ECHO), recording=str(recording) if recording else None, **values
        )
        self.channel.send(message, [pair.rtp_sock.fileno(), pair.rtcp_sock.fileno()])

    def start(self, codec: str = "PCMU") -> None:
        remote = self.phone.getsockname()
        self.channel.send(StartMedia(call_id="c-1", params=RtpParams(remote, codec=codec)))

    async def hear_echo(self, pair: PortPair, frames: int) -> list[bytes]:
        """Say some frames, each of its own byte, and listen until as many have come back."""
        loop = asyncio.get_running_loop()
        for index in range(frames):
            packet = RtpPacket(0, 10 + index, 160 * index, 7, bytes([index]) * 160)
            await loop.sock_sendto(self.phone, serialize(packet), ("127.0.0.1", pair.port))
        heard: list[bytes] = []
        async with asyncio.timeout(2):
            while len(heard) < frames:
                payload = (await loop.sock_recv(self.phone, 2048))[12:]
                if payload != ULAW.silence * 160:
                    heard.append(payload)
        return heard

    async def told(self, kind: type[Event]) -> Event:
        async with asyncio.timeout(5):
            while True:
                for message in self.messages:
                    if isinstance(message, kind):
                        return message
                self._arrived.clear()
                await self._arrived.wait()

    def _on_message(self, message: Any, fds: list[int]) -> None:
        self.messages.append(message)
        self._arrived.set()


@pytest.fixture
def pair() -> Any:
    pool = pool_of(1)
    yield pool.acquire(0.0)
    pool.close()


@pytest.fixture
async def control() -> AsyncIterator[Control]:
    """A worker that ends without a defect when its control process closes the channel."""
    ours, theirs = socket.socketpair()
    control = Control(ours)
    running = asyncio.create_task(Worker(theirs).run())
    await control.told(WorkerReady)
    yield control
    control.channel.close()
    control.phone.close()
    await running


def open_sockets() -> int:
    return sum(
        os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    )


async def test_a_worker_says_who_it_is(control: Control) -> None:
    assert (await control.told(WorkerReady)).pid == os.getpid()


async def test_a_caller_hears_the_echo_over_real_sockets(control: Control, pair: PortPair) -> None:
    control.open_leg(pair)
    await control.told(events.LegReady)
    control.start()
    await control.told(events.PathBuilt)
    assert await control.hear_echo(pair, frames=5) == [bytes([index]) * 160 for index in range(5)]
    control.channel.send(CloseLeg(call_id="c-1", reason="caller_hung_up"))
    ended = await control.told(events.LegEnded)
    assert (ended.reason, ended.rtp["inbound"]["packets"]) == ("caller_hung_up", 5)


async def test_a_leg_gives_its_descriptors_back(control: Control, pair: PortPair) -> None:
    before = open_sockets()
    control.open_leg(pair)
    await control.told(events.LegReady)
    assert open_sockets() == before + 2
    control.channel.send(CloseLeg(call_id="c-1", reason="caller_hung_up"))
    await control.told(events.LegEnded)
    assert open_sockets() == before
    pair.rtp_sock.sendto(b"the pool's own socket lives", pair.rtp_sock.getsockname())


@pytest.mark.parametrize(
    ("order", "sip_status", "detail"),
    [
        ({"agent": {"name": "a", "backend": {"kind": "none"}}}, 500, "validation error"),
        ({"codec": "G729"}, 500, "KeyError"),
        (
            {
                "agent": {
                    "name": "a",
                    "backend": {"kind": "openai_realtime", "api_key": {"env": "GONE_FROM_ENV"}},
                }
            },
            500,
            "environment variable GONE_FROM_ENV is not set",
        ),
    ],
    ids=["unknown backend", "unknown codec", "a secret that is gone"],
)
async def test_a_leg_that_cannot_be_built_fails_and_holds_no_socket(
    control: Control, pair: PortPair, order: dict[str, Any], sip_status: int, detail: str
) -> None:
    before = open_sockets()
    control.open_leg(pair, **order)
    failed = await control.told(events.LegFailed)
    assert (failed.sip_status, failed.reason_code) == (sip_status, "internal_error")
    assert detail in failed.detail
    assert open_sockets() == before


async def test_a_leg_that_cannot_do_as_told_ends(control: Control, pair: PortPair) -> None:
    control.open_leg(pair)
    await control.told(events.LegReady)
    control.start(codec="G729")
    ended = await control.told(events.LegEnded)
    assert (ended.reason, ended.detail) == ("internal_error", "KeyError('G729')")


async def test_orders_for_a_leg_that_is_gone_are_passed_over(control: Control, pair: PortPair) -> None:
    control.channel.send(PressDigit(call_id="c-0", digit="1"))
    control.channel.send(CloseLeg(call_id="c-0", reason="caller_hung_up"))
    control.open_leg(pair)
    await control.told(events.LegReady)


async def test_an_order_and_its_cancellation_in_one_go_still_end_the_leg(
    control: Control, pair: PortPair
) -> None:
    control.open_leg(pair)
    control.channel.send(CloseLeg(call_id="c-1", reason="caller_cancelled"))
    await control.told(events.LegEnded)


async def test_recordings_are_completed_when_the_control_process_is_gone(
    pair: PortPair, tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair()
    control = Control(ours)
    running = asyncio.create_task(Worker(theirs).run())
    control.open_leg(pair, recording=tmp_path / "c-1.wav")
    await control.told(events.LegReady)
    control.start()
    await control.told(events.PathBuilt)
    await control.hear_echo(pair, frames=2)
    control.channel.close()
    control.phone.close()
    await running
    caller, agent = sides(tmp_path / "c-1.wav")
    assert caller.strip(b"\0")
    assert len(caller) == len(agent)


async def test_a_worker_reports_how_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "REPORT_EVERY_S", 0.0)
    ours, theirs = socket.socketpair()
    control = Control(ours)
    running = asyncio.create_task(Worker(theirs).run())
    report = await control.told(WorkerReport)
    assert (report.legs, len(report.tick_late_buckets)) == (0, 9)
    assert report.tasks > 0
    assert report.cpu_s > 0
    assert report.rss_bytes > 1_000_000
    control.channel.close()
    control.phone.close()
    await running
