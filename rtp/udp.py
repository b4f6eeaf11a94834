"""The thin asyncio shell around one pair of bound sockets: it moves datagrams and decides nothing.

Raw sockets and add_reader() instead of a datagram endpoint: the sockets come from another process and are
kept there, and one datagram per wake-up keeps steady RTP from starving the timers.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Protocol

from rtp.address import Address, plain_address

MAX_WAITING = 16
MAX_DATAGRAM_BYTES = 2048
#: If more than so many datagrams wait when a pair that skips what is old is opened, then they all are: what
#: came in while it was being opened is a few.
MOST_FRESH, MOST_SKIPPED = 10, 10_000

Receive = Callable[[bytes, Address, float], None]
ReceiveFrom = Callable[[int], tuple[bytes, Any]]


def _drop(data: bytes, addr: Address, now: float) -> None:
    """Nobody receives any more."""


class Sockets(Protocol):
    """What a session needs of the sockets of its call; `UdpPair` says the rest."""

    skipped: int

    def deliver_to(self, on_rtp: Receive, on_rtcp: Receive) -> None: ...
    def open(self) -> None: ...
    def receive_waiting(self) -> None: ...
    def send(self, data: bytes, addr: Address) -> None: ...
    def send_rtcp(self, data: bytes, addr: Address) -> None: ...
    def close(self) -> None: ...


class UdpPair:
    """RTP and RTCP sockets of one call. `receive(data, addr, now)` is called for each datagram.

    With `skips_old`, RTP that has waited on the socket since before it was opened is thrown away.
    """

    def __init__(
        self,
        rtp_sock: socket.socket,
        rtcp_sock: socket.socket,
        on_rtp: Receive,
        on_rtcp: Receive,
        *,
        skips_old: bool = False,
    ) -> None:
        self.skipped = 0
        """Datagrams that were too old."""
        self.receive_errors = 0
        """Errors that the network reported on the sockets (ICMP); they end nothing."""
        self.send_errors = 0
        """Datagrams that the kernel did not take."""
        self._loop = asyncio.get_running_loop()
        self._rtp_sock, self._rtcp_sock = rtp_sock, rtcp_sock
        self._sendto, self._time = rtp_sock.sendto, self._loop.time
        self._on_rtp, self._on_rtcp = on_rtp, on_rtcp
        self._is_open = False
        self._skips_old = skips_old

    def deliver_to(self, on_rtp: Receive, on_rtcp: Receive) -> None:
        """From now on, pass datagrams to these."""
        self._on_rtp, self._on_rtcp = on_rtp, on_rtcp
        if self._is_open:
            self.open()

    def open(self) -> None:
        """Begin to receive."""
        self._is_open = True
        self._loop.add_reader(self._rtp_sock.fileno(), self._read, self._rtp_sock.recvfrom, self._on_rtp)
        self._loop.add_reader(self._rtcp_sock.fileno(), self._read, self._rtcp_sock.recvfrom, self._on_rtcp)
        if self._skips_old:
            self._skips_old = False
            self._skip_old()

    def receive_waiting(self) -> None:
        """Receive what waits already, before whatever else is to be done: it came earlier."""
        for _ in range(MAX_WAITING):
            if not self._read(self._rtp_sock.recvfrom, self._on_rtp):
                return

    def send(self, data: bytes, addr: Address) -> None:
        """Send from the RTP port; a datagram that cannot be sent is counted and lost, as on the network."""
        try:
            self._sendto(data, addr)
        except OSError:
            self.send_errors += 1

    def send_rtcp(self, data: bytes, addr: Address) -> None:
        """Send from the RTCP port, likewise."""
        try:
            self._rtcp_sock.sendto(data, addr)
        except OSError:
            self.send_errors += 1

    def close(self) -> None:
        """Stop receiving and close these descriptors (the pool keeps its own). May be called twice."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._rtp_sock.fileno())
            self._loop.remove_reader(self._rtcp_sock.fileno())
        self._rtp_sock.close()
        self._rtcp_sock.close()
        self._on_rtp = self._on_rtcp = _drop

    def _skip_old(self) -> None:
        waiting: list[tuple[bytes, Address]] = []
        while self.skipped + len(waiting) < MOST_SKIPPED:
            try:
                data, addr = self._rtp_sock.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:
                self.receive_errors += 1
                continue
            waiting.append((data, plain_address(addr)))
            if self.skipped or len(waiting) > MOST_FRESH:
                self.skipped += len(waiting)
                waiting.clear()
        for data, addr in waiting:
            self._on_rtp(data, addr, self._loop.time())

    def _read(self, receive_from: ReceiveFrom, receive: Receive) -> bool:
        """One datagram: a second look nearly always finds nothing, and costs more than being woken again.

        False if there is no more to be read.
        """
        try:
            data, addr = receive_from(MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            self.receive_errors += 1
            return True
        receive(data, addr if len(addr) == 2 else plain_address(addr), self._time())
        return self._is_open
