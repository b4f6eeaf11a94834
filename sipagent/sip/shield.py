"""The listeners' own filter, in the kernel: whoever is of no trunk costs us nothing, not even a full buffer.

On TCP and TLS it always stands: an unlisted source gets no connection. On UDP it stands during floods alone,
since what it drops nobody counts or logs; until then that is left to pjsip's source filter.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

from sipagent.config import HostPort, SipConfig
from sipagent.sip.bpf import SAMPLE, TooManyNetworks, program
from sipagent.sip.flood import FloodWatch
from sipagent.sip.pjlog import malformed_messages
from sipagent.sip.sources import Network

logger = logging.getLogger("sipagent.sip")

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_INSTRUCTION_BYTES = 8
LOOK_EVERY_S = 1.0
#: So much a burst may bring before pjsip reads again; the kernel grants what net.core.rmem_max allows.
RECEIVE_BUFFER_BYTES = 4 * 2**20


class Shield:
    """`open` it once the listeners are there, and `close` it before they go."""

    def __init__(self) -> None:
        self._streams: list[socket.socket] = []
        self._datagrams: list[socket.socket] = []
        self._networks: frozenset[Network] = frozenset()
        self._watch = FloodWatch()

    @property
    def is_up(self) -> bool:
        """Is there a flood that the kernel keeps away?"""
        return self._watch.is_flood

    def open(self, sip: SipConfig) -> None:
        """Find the listeners among the sockets of this process."""
        for listen in filter(None, (sip.listen_tcp, sip.listen_tls)):
            self._streams += _sockets_at(listen, socket.SOCK_STREAM)
        if sip.listen_udp is not None:
            self._datagrams += _sockets_at(sip.listen_udp, socket.SOCK_DGRAM)
        for sock in self._datagrams:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)

    def close(self) -> None:
        for sock in (*self._streams, *self._datagrams):
            sock.close()
        self._streams, self._datagrams = [], []

    def allow(self, networks: frozenset[Network]) -> None:
        """From now on, these are the sources that count."""
        self._networks = networks
        for sock in self._streams:
            self._attach(sock, samples=False)
        if self.is_up:
            self._raise()

    async def guard(self, dropped: Callable[[], int]) -> None:
        """`look` from now on, at how many messages pjsip has `dropped` as unlisted, or found malformed."""
        while True:
            self.look(dropped() + malformed_messages(), time.monotonic())
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self, dropped: int, now: float) -> None:
        """Raise or lower the shield by how many messages pjsip has dropped so far."""
        before, self._watch = self._watch, self._watch.after(dropped, now, SAMPLE)
        if self.is_up and not before.is_flood:
            self._raise()
            logger.warning("flood from unlisted sources: the kernel drops it, but for 1 in %d", SAMPLE)
        elif before.is_flood and not self.is_up:
            for sock in self._datagrams:
                _detach(sock)
            logger.warning("flood from unlisted sources is over")

    def _raise(self) -> None:
        for sock in self._datagrams:
            self._attach(sock, samples=True)

    def _attach(self, sock: socket.socket, *, samples: bool) -> None:
        try:
            code = program(self._networks, samples=samples)
        except TooManyNetworks as error:
            logger.warning("no filter in the kernel: %s", error)
            _detach(sock)
            return
        buffer = ctypes.create_string_buffer(code, len(code))
        instructions = len(code) // _INSTRUCTION_BYTES
        filter_ = struct.pack("HP", instructions, ctypes.addressof(buffer))
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
        except PermissionError:  # newer kernels keep that on TCP to CAP_NET_ADMIN, which a service lacks
            logger.warning("no filter in the kernel for %s: it takes CAP_NET_ADMIN here", sock.type.name)


def _detach(sock: socket.socket) -> None:
    with contextlib.suppress(FileNotFoundError):  # there is none
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def _sockets_at(listen: HostPort, kind: socket.SocketKind) -> Iterator[socket.socket]:
    """This process's own sockets of one kind that are bound to the address, listening if they are streams."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            sock = socket.socket(fileno=os.dup(int(name)))
        except FileNotFoundError:  # it was that of the listing
            continue
        if _is_at(sock, listen, kind):
            yield sock
        else:
            sock.close()


def _is_at(sock: socket.socket, listen: HostPort, kind: socket.SocketKind) -> bool:
    if sock.type != kind or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    is_listening = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return sock.getsockname()[:2] == (listen.host, listen.port) and is_listening == (
        kind == socket.SOCK_STREAM
    )
