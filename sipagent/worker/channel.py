"""The channel between the control process and a media worker: messages both ways over a socketpair.

Wire: 4-byte big-endian length, 1-byte count of file descriptors, msgpack body; descriptors ride along as
SCM_RIGHTS in the order of their messages.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

HEADER = struct.Struct("!IB")
MAX_MESSAGE = 4 * 1024 * 1024
MAX_BACKLOG = 16 * 1024 * 1024
MAX_FDS = 64
READ_BYTES = 65536
#: What waits is sent in pieces of about so much.
PIECE_BYTES = 65536


class Channel:
    """One end of the socketpair, on the running loop.

    `on_message(message, fds)` is called in order and owns the descriptors; `on_closed` once, when the peer is
    gone, or sent what is no message and can't be trusted any more. What can't be written at once waits, up to
    `MAX_BACKLOG` bytes: a peer that lets more pile up is as good as dead, and the channel closes.
    """

    def __init__(
        self,
        sock: socket.socket,
        receives: Any,
        on_message: Callable[[Any, list[int]], None],
        on_closed: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(receives)
        self._encoder = msgspec.msgpack.Encoder()
        self._on_message = on_message
        self._on_closed = on_closed
        self._incoming = memoryview(bytearray(READ_BYTES))
        """What is read goes here and not to memory of its own for each read: of that nearly all is given back
        at once, something small takes its beginning, and the next read needs as much elsewhere. The heap of
        the control process, which reads often, grew by 10 MB an hour so."""
        self._received = bytearray()
        self._fds: deque[int] = deque()
        self._backlog: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._backlog_bytes = 0
        self._is_full = False
        """Does the peer have to read before more can be written?"""
        self._closed = False
        self._loop.add_reader(sock.fileno(), self._readable)

    def send(self, message: Any, fds: Sequence[int] = (), *, may_wait: bool = False) -> None:
        """Queue a message. Descriptors are duplicated before return: the caller may close its own.

        One that `may_wait` goes with the next that may not, in one piece: each piece that the peer has to be
        woken for costs more than what is in it. Raises OSError, with nothing queued, if descriptors can't be
        duplicated.
        """
        if self._closed:
            return
        body = self._encoder.encode(message)
        copies = _duplicates(fds) if fds else ()
        data = HEADER.pack(len(body), len(copies)) + body
        self._backlog.append((data, copies))
        self._backlog_bytes += len(data)
        if not (may_wait or self._is_full):
            self._flush()
        if self._backlog_bytes > MAX_BACKLOG:
            self.close()

    def close(self) -> None:
        """Idempotent. `on_closed` is called from the loop, not from here."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for fd in [*self._fds, *(fd for _, fds in self._backlog for fd in fds)]:
            os.close(fd)
        self._fds.clear()
        self._backlog.clear()
        self._loop.call_soon(self._on_closed)

    def _flush(self) -> None:
        while self._backlog:
            self._join_first()
            data, fds = self._backlog[0]
            try:
                sent = self._sock.sendmsg([data], _rights(fds))
            except (BlockingIOError, InterruptedError):
                if not self._is_full:
                    self._is_full = True
                    self._loop.add_writer(self._sock.fileno(), self._flush)
                return
            except OSError:
                self.close()
                return
            for fd in fds:
                os.close(fd)
            self._backlog_bytes -= sent
            if sent < len(data):
                self._backlog[0] = (data[sent:], ())
            else:
                self._backlog.popleft()
        if self._is_full:
            self._is_full = False
            self._loop.remove_writer(self._sock.fileno())

    def _join_first(self) -> None:
        """Make one piece of the first messages. One with descriptors stays alone: they ride on its bytes."""
        first, size = 0, 0
        for data, fds in self._backlog:
            if fds or size >= PIECE_BYTES:
                break
            first, size = first + 1, size + len(data)
        if first > 1:
            piece = b"".join(self._backlog.popleft()[0] for _ in range(first))
            self._backlog.appendleft((piece, ()))

    def _readable(self) -> None:
        try:
            size, ancillary, _, _ = self._sock.recvmsg_into([self._incoming], socket.CMSG_LEN(MAX_FDS * 4))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size, ancillary = 0, []
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
                self._fds.extend(fds)
        if not size:
            self.close()
            return
        self._received += self._incoming[:size]
        self._deliver()

    def _deliver(self) -> None:
        while len(self._received) >= HEADER.size and not self._closed:
            length, fd_count = HEADER.unpack_from(self._received)
            end = HEADER.size + length
            if length > MAX_MESSAGE:
                self.close()
                return
            if len(self._received) < end:
                return
            body = bytes(self._received[HEADER.size : end])
            del self._received[:end]
            try:
                message = self._decoder.decode(body)
            except msgspec.DecodeError:
                self.close()
                return
            if fd_count > len(self._fds):
                self.close()
                return
            self._on_message(message, [self._fds.popleft() for _ in range(fd_count)])


def _duplicates(fds: Sequence[int]) -> tuple[int, ...]:
    """All or none: what was duplicated before an error is closed."""
    with ExitStack() as undo:
        copies = []
        for fd in fds:
            copies.append(os.dup(fd))
            undo.callback(os.close, copies[-1])
        undo.pop_all()
        return tuple(copies)


def _rights(fds: Sequence[int]) -> list[tuple[int, int, array.array[int]]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
