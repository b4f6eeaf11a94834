"""The pool of RTP/RTCP port pairs: bound once, kept for good, handed out at random.

A port is never bound to test it and closed again. A pair that comes back is quarantined, so that a new call
never hears an old one; what still arrived meanwhile is drained before the pair is handed out.
"""

import socket
from collections import deque
from dataclasses import dataclass
from random import Random, SystemRandom

RECEIVE_BUFFER_BYTES = 64 * 1024
DSCP_EF = 46
"""Expedited forwarding (RFC 3246), for RTP and RTCP."""
CONFLICT_RETRY_S = 60.0
"""A pair that another process had bound is tried again after this long."""
MAX_DRAINED = 1000
"""Stale datagrams read off one socket; a source that sends faster than this is the source lock's business."""


class PortsExhausted(Exception):
    """Every pair is in use, quarantined, or bound by somebody else."""


@dataclass(frozen=True, slots=True, eq=False)
class PortPair:
    """Two bound, non-blocking UDP sockets: RTP on an even port, RTCP on the next (RFC 3550, 11)."""

    rtp_sock: socket.socket
    rtcp_sock: socket.socket
    port: int


class PortPool:
    """The pairs of `host` between `first` and `last`, both included. Times are monotonic seconds."""

    def __init__(
        self,
        host: str,
        first: int,
        last: int,
        quarantine_s: float = 3.0,
        dscp: int = DSCP_EF,
        rng: Random | None = None,
    ) -> None:
        self.conflicts = 0
        """Times that a pair was found bound by another process."""
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._quarantine_s = quarantine_s
        self._dscp = dscp
        self._rng = rng or SystemRandom()
        self._free: list[PortPair | int] = list(range(first + first % 2, last, 2))
        self._resting: deque[tuple[float, PortPair]] = deque()
        self._conflicting: deque[tuple[float, int]] = deque()
        self._lent: set[PortPair] = set()

    @property
    def available(self) -> int:
        """Pairs that could be handed out now, as far as we know; quarantined ones are not."""
        return len(self._free)

    @property
    def in_use(self) -> int:
        """Pairs handed out."""
        return len(self._lent)

    def acquire(self, now: float) -> PortPair:
        """A random pair with nothing waiting in its sockets. Raises PortsExhausted."""
        self._end_rests(now)
        while self._free:
            pair = self._take_random(now)
            if pair is not None:
                _drain(pair.rtp_sock)
                _drain(pair.rtcp_sock)
                self._lent.add(pair)
                return pair
        raise PortsExhausted(f"all RTP ports of {self._host} are taken: {self.in_use} in use")

    def release(self, pair: PortPair, now: float) -> None:
        """Take a pair back into quarantine. Raises KeyError if it wasn't lent."""
        self._lent.remove(pair)
        self._resting.append((now + self._quarantine_s, pair))

    def close(self) -> None:
        """Close every socket; the pool is of no use after that."""
        resting = [pair for _, pair in self._resting]
        for pair in (*self._free, *resting, *self._lent):
            if isinstance(pair, PortPair):
                pair.rtp_sock.close()
                pair.rtcp_sock.close()
        self._free.clear()
        self._resting.clear()
        self._conflicting.clear()
        self._lent.clear()

    def _end_rests(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        while self._conflicting and self._conflicting[0][0] <= now:
            self._free.append(self._conflicting.popleft()[1])

    def _take_random(self, now: float) -> PortPair | None:
        index = self._rng.randrange(len(self._free))
        self._free[index], self._free[-1] = self._free[-1], self._free[index]
        choice = self._free.pop()
        if isinstance(choice, PortPair):
            return choice
        try:
            return self._bind(choice)
        except OSError:
            self.conflicts += 1
            self._conflicting.append((now + CONFLICT_RETRY_S, choice))
            return None

    def _bind(self, port: int) -> PortPair:
        rtp_sock = _bound(self._family, self._host, port, self._dscp)
        try:
            return PortPair(rtp_sock, _bound(self._family, self._host, port + 1, self._dscp), port)
        except OSError:
            rtp_sock.close()
            raise


def _bound(family: socket.AddressFamily, host: str, port: int, dscp: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _drain(sock: socket.socket) -> None:
    for _ in range(MAX_DRAINED):
        try:
            sock.recv(1)
        except BlockingIOError:
            return
        except OSError:
            continue
