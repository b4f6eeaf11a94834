"""Whoever knows a call's ports and wants to be heard in it, or to hear it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection

from rtp import packet, rtcp
from rtp.pacer import Pacer
from tests.e2e.support.namespaces import Namespace, Sniffer
from tests.e2e.support.talker import TELEPHONE_EVENT
from tests.e2e.support.waiting import PATIENCE_S

FRAME = b"\x2a" * 160
DIGIT = 7
BINDING_REQUEST = b"\0\1\0\0\x21\x12\xa4\x42" + b"an attacker!"


class Attacker:
    """Sends consistent streams to every RTP port, as a phone would, and to RTCP what could end a call.

    What comes back to its address is in `answers`: from ports that nobody has bound, ICMP.
    """

    def __init__(self, place: Namespace, target: str, ports: Collection[int]) -> None:
        self.rounds = 0
        self.ssrc, self.sequence = 0xBAD, 0
        self._more = asyncio.Event()
        self._target, self._ports = target, ports
        self._sniffer = Sniffer(place)
        with place.entered():
            self._socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sock in self._socks:
            sock.bind((place.address, 0))

    async def strike(self, rounds: int) -> None:
        """Return when that many more packets have gone to each port."""
        wanted = self.rounds + rounds
        async with asyncio.timeout(PATIENCE_S + rounds * 0.02):
            while self.rounds < wanted:
                self._more.clear()
                await self._more.wait()

    def pretend(self, ssrc: int, sequence: int) -> None:
        """Go on with the stream of somebody whose packets were seen."""
        self.ssrc, self.sequence = ssrc, sequence

    @property
    def answers(self) -> Counter[int]:
        """How many packets came from the server, by IP protocol, since the last look."""
        source = socket.inet_aton(self._target)
        return Counter(each[9] for each in self._sniffer.take() if each[12:16] == source)

    async def run(self) -> None:
        pacer = Pacer(time.monotonic(), 20)
        while True:
            for _ in range(pacer.due(time.monotonic())):
                self._round()
            await asyncio.sleep(max(0.0, pacer.next_due - time.monotonic()))

    def close(self) -> None:
        self._sniffer.close()
        for sock in self._socks:
            sock.close()

    def _round(self) -> None:
        stamp = (self.sequence * 160) & 0xFFFFFFFF
        kind, payload = 0, FRAME
        if self.rounds % 3 == 2:
            kind, payload = TELEPHONE_EVENT, struct.pack("!BBH", DIGIT, 0x8A, 800)
        data = packet.serialize(packet.RtpPacket(kind, self.sequence & 0xFFFF, stamp, self.ssrc, payload))
        bye = rtcp.serialize_compound([rtcp.ReceiverReport(self.ssrc), rtcp.Goodbye((self.ssrc,))])
        for port in self._ports:
            for sock in self._socks:
                sock.sendto(data, (self._target, port))
            self._socks[0].sendto(bye, (self._target, port))
            if self.rounds % 10 == 0:
                self._socks[1].sendto(BINDING_REQUEST, (self._target, port))
        self.sequence += 1
        self.rounds += 1
        self._more.set()


@contextlib.asynccontextmanager
async def attacker(place: Namespace, target: str, ports: Collection[int]) -> AsyncIterator[Attacker]:
    """At work from now on. Fails if it can't go on."""
    made = Attacker(place, target, ports)
    work = asyncio.create_task(made.run())
    try:
        yield made
        assert not work.done(), work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        made.close()
