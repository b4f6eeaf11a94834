"""A bad network between two TUN devices, because not every kernel has netem.

Packets of RTP and RTCP are lost, delayed, duplicated, overtaken, squeezed and cut off as an `Impairment`
says; all others pass, so that a call whose audio is to be measured gets set up. Run as a process of its own
(`python -m tests.e2e.support.joiner FD FD`): each line of its input is a pair of impairments in JSON, there
and back, and is answered by what was done since the last one. It ends when its input does.
"""

from __future__ import annotations

import heapq
import os
import select
import sys
import time
from random import Random

import msgspec

FRAME_S = 0.02
MAX_PACKET = 2048
_IPV4_UDP = 17


class Impairment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of one direction. Shares are 0..1.

    `loss` is the share lost of each flow, in bursts of `burst` packets on average. The delay is normal around
    `delay_ms` with a deviation of `jitter_ms`, drawn for each packet. A share `overtaken` arrives after the 1
    to 3 next ones. `rate_kbit` is what all flows share; `queue_ms` is how long a packet may wait for it.
    `outage_s` begins and ends in seconds after the impairment does; nothing passes in between.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    duplicated: float = 0.0
    overtaken: float = 0.0
    rate_kbit: float = 0.0
    queue_ms: float = 100.0
    outage_s: tuple[float, float] = (0.0, 0.0)


class Tally(msgspec.Struct, kw_only=True):
    """What one direction did to RTP and RTCP, in packets."""

    carried: int = 0
    lost: int = 0


class Road:
    """One direction: decides for each packet when it arrives, if at all. Does no I/O."""

    def __init__(self, impairment: Impairment, seed: int, now: float) -> None:
        self.tally = Tally()
        self._impairment = impairment
        self._random = Random(seed)
        self._began = now
        self._losing: dict[bytes, bool] = {}
        self._free_at = now

    def arrivals(self, packet: bytes, now: float) -> list[float]:
        """When copies of an IP packet that was sent now arrive."""
        if not is_media(packet):
            return [now]
        if self._is_lost(packet, now):
            self.tally.lost += 1
            return []
        self.tally.carried += 1
        copies = 2 if self._random.random() < self._impairment.duplicated else 1
        return [max(self._free_at, now) + self._delay_s() for _ in range(copies)]

    def _is_lost(self, packet: bytes, now: float) -> bool:
        begins, ends = self._impairment.outage_s
        return begins <= now - self._began < ends or self._is_dropped(packet) or self._overflows(packet, now)

    def _is_dropped(self, packet: bytes) -> bool:
        """Gilbert's model: a chain of two states for each flow, which loses everything in one of them."""
        loss, burst = self._impairment.loss, self._impairment.burst
        flow = packet[12:24]  # addresses and ports
        if self._losing.get(flow, False) and burst > 1:
            losing = self._random.random() >= 1 / burst
        else:
            begins = loss if burst <= 1 else loss / burst / (1 - loss)
            losing = self._random.random() < begins
        self._losing[flow] = losing
        return losing

    def _overflows(self, packet: bytes, now: float) -> bool:
        if not self._impairment.rate_kbit:
            return False
        free_at = max(self._free_at, now)
        if 1000 * (free_at - now) > self._impairment.queue_ms:
            return True
        self._free_at = free_at + len(packet) * 8 / (1000 * self._impairment.rate_kbit)
        return False

    def _delay_s(self) -> float:
        delay_s = self._random.gauss(self._impairment.delay_ms, self._impairment.jitter_ms) / 1000
        if self._random.random() < self._impairment.overtaken:
            delay_s += (self._random.randint(1, 3) + 0.5) * FRAME_S
        return max(0.0, delay_s)


class Joiner:
    """Two devices and the roads between them: `devices[0]` to `devices[1]` is there, the other back."""

    def __init__(self, devices: tuple[int, int]) -> None:
        self._devices = devices
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self._seed = 0
        self._roads = self._new_roads((Impairment(), Impairment()))

    def impair(self, there_and_back: tuple[Impairment, Impairment]) -> tuple[Tally, Tally]:
        """Begin anew with these, each time by other random numbers. Returns the tallies until now."""
        there, back = self._roads
        self._roads = self._new_roads(there_and_back)
        return there.tally, back.tally

    def carry(self, way: int) -> None:
        """Take a packet from a device."""
        packet = os.read(self._devices[way], MAX_PACKET)
        now = time.monotonic()
        for arrival in self._roads[way].arrivals(packet, now):
            if arrival <= now:
                os.write(self._devices[1 - way], packet)
                continue
            self._count += 1
            heapq.heappush(self._under_way, (arrival, self._count, 1 - way, packet))

    def deliver(self) -> float | None:
        """Hand over what has arrived. Returns in how many seconds the next one does."""
        now = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now:
            _, _, to, packet = heapq.heappop(self._under_way)
            os.write(self._devices[to], packet)
        return self._under_way[0][0] - now if self._under_way else None

    def _new_roads(self, there_and_back: tuple[Impairment, Impairment]) -> tuple[Road, Road]:
        now = time.monotonic()
        self._seed += 2
        there, back = there_and_back
        return Road(there, self._seed, now), Road(back, self._seed + 1, now)


def is_media(packet: bytes) -> bool:
    """Whether an IP packet holds RTP or RTCP: UDP over IPv4, version 2."""
    header = (packet[0] & 0x0F) * 4
    payload = header + 8
    return packet[0] >> 4 == 4 and packet[9] == _IPV4_UDP and packet[payload : payload + 1] >= b"\x80"


def serve(devices: tuple[int, int]) -> None:
    """Join the devices until standard input ends."""
    joiner = Joiner(devices)
    commands = sys.stdin.buffer
    while True:
        readable, _, _ = select.select([*devices, commands], [], [], joiner.deliver())
        for way, device in enumerate(devices):
            if device in readable:
                joiner.carry(way)
        if commands in readable:
            line = commands.readline()
            if not line:
                return
            tallies = joiner.impair(msgspec.json.decode(line, type=tuple[Impairment, Impairment]))
            sys.stdout.buffer.write(msgspec.json.encode(tallies) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve((int(sys.argv[1]), int(sys.argv[2])))
