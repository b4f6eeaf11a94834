"""The channel between control and worker, over a real socketpair."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from rtp.session import RtpParams
from sipagent.events import LegEnded, UsageReported
from sipagent.worker import channel as channels
from sipagent.worker.channel import HEADER, READ_BYTES, Channel
from sipagent.worker.orders import CloseLeg, OpenLeg, StartMedia, ToWorker, agent_config
from sipagent.worker.reports import ToControl, WorkerReady
from tests.event_loop import turn


class End:
    """One end of a channel, what came out of it, and whether it told that it closed."""

    def __init__(self, sock: socket.socket, receives: Any) -> None:
        self.messages: list[Any] = []
        self.fds: list[int] = []
        self.closed = asyncio.Event()
        self.closings = 0
        self._changed = asyncio.Event()
        self.channel = Channel(sock, receives, self._on_message, self._on_closed)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(2):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_closed(self) -> None:
        async with asyncio.timeout(2):
            await self.closed.wait()

    def _on_message(self, message: Any, fds: list[int]) -> None:
        self.messages.append(message)
        self.fds += fds
        self._changed.set()

    def _on_closed(self) -> None:
        self.closings += 1
        self.closed.set()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
async def ends(pair: tuple[socket.socket, socket.socket]) -> tuple[End, End]:
    """The control process's end and the worker's."""
    return End(pair[0], ToControl), End(pair[1], ToWorker)


@pytest.fixture
def pipes() -> Iterator[list[int]]:
    """Ends of pipes stand for sockets: each pipe can be told from the others by its inode."""
    fds = [fd for _ in range(6) for fd in os.pipe()]
    yield fds
    for fd in fds:
        os.close(fd)


def order(instructions: str = "") -> OpenLeg:
    return OpenLeg(
        call_id="c-1",
        agent=json.dumps({"name": "a", "backend": {"kind": "echo"}, "instructions": instructions}),
        codec="PCMU",
        recording=None,
        jitter_min_ms=60,
        jitter_max_ms=200,
    )


def framed(body: bytes, fd_count: int = 0) -> bytes:
    return HEADER.pack(len(body), fd_count) + body


def open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_messages_and_events_arrive_as_they_were_in_order(ends: tuple[End, End]) -> None:
    control, worker = ends
    params = RtpParams(("192.0.2.1", 4000), codec="PCMA", payload_type=8, direction="recvonly")
    told = [order(), StartMedia(call_id="c-1", params=params), CloseLeg(call_id="c-1", reason="max_duration")]
    for message in told:
        control.channel.send(message)
    usage = UsageReported(call_id="c-1", at=1.5, source="response", usage={"input_tokens": 7, "d": {"a": 1}})
    answered = [WorkerReady(pid=1), usage, LegEnded(call_id="c-1", at=2.0, reason="max_duration")]
    for event in answered:
        worker.channel.send(event)
    await worker.until(lambda: len(worker.messages) == 3)
    await control.until(lambda: len(control.messages) == 3)
    assert worker.messages == told
    assert control.messages == answered


class Trickle(socket.socket):
    """Gives what has come in a byte at a time."""

    def recvmsg_into(self, buffers: Any, *rest: Any) -> Any:
        return super().recvmsg_into([buffers[0][:1]], *rest)


async def test_a_message_may_come_byte_by_byte(pair: tuple[socket.socket, socket.socket]) -> None:
    closing = CloseLeg(call_id="c-1", reason="x")
    with Trickle(fileno=pair[1].detach()) as trickle:
        worker = End(trickle, ToWorker)
        pair[0].send(framed(msgspec.msgpack.encode(closing)))
        await worker.until(lambda: worker.messages == [closing])
        worker.channel.close()


async def test_several_messages_may_come_in_one_piece(pair: tuple[socket.socket, socket.socket]) -> None:
    worker = End(pair[1], ToWorker)
    told = [CloseLeg(call_id=f"c-{n}", reason="x") for n in range(5)]
    pair[0].send(b"".join(framed(msgspec.msgpack.encode(each)) for each in told))
    await worker.until(lambda: worker.messages == told)


async def test_reading_takes_no_more_memory_than_the_message(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    worker = End(pair[1], ToWorker)
    message = framed(msgspec.msgpack.encode(CloseLeg(call_id="c-1", reason="x")))
    pair[0].send(message)
    await worker.until(lambda: len(worker.messages) == 1)  # what the first one takes for good
    tracemalloc.start()
    try:
        pair[0].send(message)
        await worker.until(lambda: len(worker.messages) == 2)
        assert tracemalloc.get_traced_memory()[1] < READ_BYTES / 4
    finally:
        tracemalloc.stop()


async def test_what_the_socket_does_not_take_at_once_is_sent_later_and_whole(ends: tuple[End, End]) -> None:
    control, worker = ends
    instructions = "x" * 1_000_000
    for _ in range(3):
        control.channel.send(order(instructions))
    assert worker.messages == []
    await worker.until(lambda: len(worker.messages) == 3)
    assert {len(agent_config(message.agent).instructions) for message in worker.messages} == {1_000_000}


async def test_what_may_wait_goes_in_one_piece_with_the_next_that_may_not(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    worker = End(pair[1], ToWorker)
    told = [CloseLeg(call_id=f"c-{n}", reason="x") for n in range(4)]
    pair[0].setblocking(False)
    for message in told[:3]:
        worker.channel.send(message, may_wait=True)
    await turn()
    with pytest.raises(BlockingIOError):
        pair[0].recv(READ_BYTES)
    worker.channel.send(told[3])
    assert pair[0].recv(READ_BYTES) == b"".join(framed(msgspec.msgpack.encode(each)) for each in told)


async def test_what_waits_keeps_its_place_before_descriptors_and_a_full_socket(
    ends: tuple[End, End], pipes: list[int]
) -> None:
    control, worker = ends
    told = []
    for number, fd in enumerate(pipes):
        told += [CloseLeg(call_id=f"c-{number}", reason="x"), order("x" * 50_000)]
        control.channel.send(told[-2], may_wait=True)
        control.channel.send(told[-1], [fd], may_wait=number % 2 == 1)
    control.channel.send(CloseLeg(call_id="last", reason="x"))
    await worker.until(lambda: len(worker.messages) == len(told) + 1)
    assert worker.messages[:-1] == told
    assert [os.fstat(fd).st_ino for fd in worker.fds] == [os.fstat(fd).st_ino for fd in pipes]
    for fd in worker.fds:
        os.close(fd)


async def test_descriptors_arrive_with_their_messages_in_order(
    ends: tuple[End, End], pipes: list[int]
) -> None:
    control, worker = ends
    for first, second in zip(pipes[::2], pipes[1::2], strict=True):
        control.channel.send(order("x" * 100_000), [first, second])
        control.channel.send(CloseLeg(call_id="c-1", reason="x"))
    await worker.until(lambda: len(worker.messages) == len(pipes))
    assert [os.fstat(fd).st_ino for fd in worker.fds] == [os.fstat(fd).st_ino for fd in pipes]
    for fd in worker.fds:
        os.close(fd)


async def test_the_sender_may_close_its_descriptors_at_once(ends: tuple[End, End]) -> None:
    control, worker = ends
    read_end, write_end = os.pipe()
    control.channel.send(order("x" * 1_000_000))
    control.channel.send(order(), [write_end])
    os.close(write_end)
    await worker.until(lambda: len(worker.messages) == 2)
    os.write(worker.fds[0], b"still open")
    assert os.read(read_end, 100) == b"still open"
    os.close(worker.fds[0])
    os.close(read_end)


async def test_a_peer_that_is_gone_is_told_once_and_sending_to_it_does_nothing(ends: tuple[End, End]) -> None:
    control, worker = ends
    worker.channel.close()
    worker.channel.close()
    await control.until_closed()
    control.channel.send(order())
    control.channel.close()
    await worker.until_closed()
    assert (control.closings, worker.closings) == (1, 1)


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(channels.MAX_MESSAGE + 1, 0),
        framed(b"\xc1 is no msgpack"),
        framed(msgspec.msgpack.encode({"type": "NoSuchMessage"})),
        framed(msgspec.msgpack.encode({"type": "CloseLeg", "call_id": 7, "reason": "x"})),
        framed(msgspec.msgpack.encode(CloseLeg(call_id="c-1", reason="x")), fd_count=2),
    ],
    ids=["too long", "no msgpack", "unknown type", "wrong field", "descriptors missing"],
)
async def test_a_peer_that_sends_what_is_no_message_is_cut_off(
    pair: tuple[socket.socket, socket.socket], data: bytes
) -> None:
    worker = End(pair[1], ToWorker)
    pair[0].send(data + framed(msgspec.msgpack.encode(CloseLeg(call_id="c-2", reason="x"))))
    await worker.until_closed()
    assert worker.messages == []
    assert pair[0].recv(1) == b""


async def test_a_peer_that_never_reads_is_as_good_as_dead(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "MAX_BACKLOG", 1_000_000)
    control, _ = ends
    control.channel.send(order("x" * 2_000_000))
    await control.until_closed()


async def test_closing_leaves_no_descriptor_behind(
    pair: tuple[socket.socket, socket.socket], pipes: list[int]
) -> None:
    before = open_fds()
    ours, theirs = socket.socketpair()
    control, worker = End(ours, ToControl), End(theirs, ToWorker)
    control.channel.send(order("x" * 1_000_000), pipes)
    control.channel.send(order(), pipes)
    await turn()  # some have arrived, the message that they came with hasn't
    control.channel.close()
    worker.channel.close()
    for fd in worker.fds:
        os.close(fd)
    await worker.until_closed()
    assert open_fds() == before


async def test_descriptors_that_cannot_be_duplicated_leave_nothing_behind(
    ends: tuple[End, End], pipes: list[int]
) -> None:
    control, worker = ends
    before = open_fds()
    with pytest.raises(OSError, match="Bad file descriptor"):
        control.channel.send(order(), [pipes[0], 1_000_000])
    assert open_fds() == before
    control.channel.send(CloseLeg(call_id="c-1", reason="x"))
    await worker.until(lambda: len(worker.messages) == 1)
