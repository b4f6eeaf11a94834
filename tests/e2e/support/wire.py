"""What is on the wire of loopback, and when, by the kernel: no process has to wake up for it. Needs root."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import NamedTuple

from rtp.packet import RtpPacket, parse

_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 64 * 2**20
_TO_THIS_HOST = 0
_LONGEST = 2**17


class Sent(NamedTuple):
    """An RTP packet, and the time in seconds (wall clock) at which the kernel carried it."""

    at: float
    packet: RtpPacket


class Segment(NamedTuple):
    """What a TCP segment carried, and when, likewise; `is_answer` if it came from the listener."""

    at: float
    is_answer: bool
    data: bytes


class Wire:
    """Keeps everything from its construction on; `close` it."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._sock.bind(("lo", _ETH_P_IP))
        self._sock.setblocking(False)
        self._udp: dict[int, list[tuple[float, bytes]]] = {}
        self._tcp: dict[tuple[int, int], list[tuple[float, bytes]]] = {}

    def rtp_from(self, port: int) -> list[Sent]:
        """All RTP from one UDP port so far."""
        self._read()
        return [Sent(at, parse(data)) for at, data in self._udp.get(port, ())]

    def connections_to(self, port: int) -> list[list[Segment]]:
        """The segments with data of each connection to a TCP port so far, both ways, the oldest first."""
        self._read()
        connections: dict[int, list[Segment]] = {}
        for (source, destination), seen in self._tcp.items():
            if port in (source, destination):
                peer = connections.setdefault(destination if source == port else source, [])
                peer += [Segment(at, source == port, data) for at, data in seen]
        return sorted(sorted(segments) for segments in connections.values())

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, address = self._sock.recvmsg(_LONGEST, 256)
                if address[2] == _TO_THIS_HOST:
                    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                    self._take(data, seconds + nanoseconds / 1e9)

    def _take(self, data: bytes, at: float) -> None:
        transport = data[(data[0] & 0x0F) * 4 : int.from_bytes(data[2:4], "big")]
        source, destination = struct.unpack("!HH", transport[:4])
        if data[9] == socket.IPPROTO_UDP:
            self._udp.setdefault(source, []).append((at, transport[8:]))
        elif data[9] == socket.IPPROTO_TCP and (carried := transport[(transport[12] >> 4) * 4 :]):
            self._tcp.setdefault((source, destination), []).append((at, carried))

    def close(self) -> None:
        self._sock.close()
