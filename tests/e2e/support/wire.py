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


class Sent(NamedTuple):
    """An RTP packet, and the time in seconds (wall clock) at which the kernel carried it."""

    at: float
    packet: RtpPacket


class Wire:
    """Keeps everything from its construction on; `close` it."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._sock.bind(("lo", _ETH_P_IP))
        self._sock.setblocking(False)
        self._seen: dict[int, list[tuple[float, bytes]]] = {}

    def rtp_from(self, port: int) -> list[Sent]:
        """All RTP from one UDP port so far."""
        self._read()
        return [Sent(at, parse(data)) for at, data in self._seen.pop(port, ())]

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, address = self._sock.recvmsg(4096, 256)
                header = (data[0] & 0x0F) * 4
                is_udp = data[9] == socket.IPPROTO_UDP and address[2] == _TO_THIS_HOST
                if is_udp:
                    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                    port = int.from_bytes(data[header : header + 2], "big")
                    seen = seconds + nanoseconds / 1e9, data[header + 8 :]
                    self._seen.setdefault(port, []).append(seen)

    def close(self) -> None:
        self._sock.close()
