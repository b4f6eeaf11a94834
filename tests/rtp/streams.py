"""Builders for the tests of rtp: streams of packets with what networks do to them, and a fake clock."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import numpy as np

from rtp.jitter import JitterBuffer
from rtp.packet import RtpPacket
from rtp.timeline import Hole

CALLER = ("192.0.2.10", 4000)
ATTACKER = ("203.0.113.66", 4000)
SSRC = 0x1234ABCD


class Arrival(NamedTuple):
    packet: RtpPacket
    at: float


class Popped(NamedTuple):
    piece: RtpPacket | Hole
    at: float


def stream(
    seconds: float = 1.0,
    *,
    loss: float = 0.0,
    jitter_ms: float = 0.0,
    duplicates: float = 0.0,
    wrap: bool = False,
    ptime_ms: int = 20,
    payload_type: int = 0,
    start: float = 100.0,
    first_sequence: int = 1000,
    first_timestamp: int = 50_000,
    drift_ppm: float = 0.0,
    ssrc: int = SSRC,
    seed: int = 1,
) -> list[Arrival]:
    """One sender's packets in order of arrival. `wrap` lets sequence and timestamp wrap in the middle."""
    rng = Random(seed)
    count, samples = round(seconds * 1000 / ptime_ms), ptime_ms * 8
    if wrap:
        first_sequence, first_timestamp = -(count // 2), -(count // 2) * samples
    arrivals = []
    for index in range(count):
        if rng.random() < loss:
            continue
        packet = RtpPacket(
            payload_type,
            (first_sequence + index) & 0xFFFF,
            (first_timestamp + index * samples) & 0xFFFFFFFF,
            ssrc,
            speech(index, samples),
        )
        sent_at = start + index * ptime_ms / 1000 * (1 - drift_ppm * 1e-6)
        arrivals.append(Arrival(packet, sent_at + max(rng.gauss(0.1, jitter_ms / 1000), 0)))
        if rng.random() < duplicates:
            arrivals.append(Arrival(packet, arrivals[-1].at + 0.001))
    return sorted(arrivals, key=lambda arrival: arrival.at)


def speech(index: int, samples: int = 160) -> bytes:
    """A payload that tells which frame of the stream it is."""
    return index.to_bytes(4, "big") * (samples // 4)


def index_of(packet: RtpPacket) -> int:
    """The frame's number that speech() wrote."""
    return int.from_bytes(packet.payload[:4], "big")


def play(buffer: JitterBuffer, arrivals: list[Arrival], until: float | None = None) -> list[Popped]:
    """Run a stream through a buffer on a fake clock that also keeps every deadline."""
    popped: list[Popped] = []
    for arrival in arrivals:
        popped += wait(buffer, arrival.at)
        buffer.push(arrival.packet, len(arrival.packet.payload), arrival.at)
        popped += drain(buffer, arrival.at)
    end = until if until is not None else arrivals[-1].at + 0.25
    return popped + list(wait(buffer, end))


def wait(buffer: JitterBuffer, until: float) -> Iterator[Popped]:
    """What the deadlines before `until` bring."""
    while (deadline := buffer.next_deadline()) is not None and deadline < until:
        yield from drain(buffer, deadline)
        assert buffer.next_deadline() != deadline


def drain(buffer: JitterBuffer, now: float) -> Iterator[Popped]:
    while (piece := buffer.pop(now)) is not None:
        yield Popped(piece, now)


def audio_of(popped: list[Popped]) -> list[int]:
    """The numbers of the frames that were played."""
    return [index_of(piece) for piece, _ in popped if isinstance(piece, RtpPacket)]


def holes_of(popped: list[Popped]) -> list[Hole]:
    return [piece for piece, _ in popped if isinstance(piece, Hole)]


def samples_of(popped: list[Popped]) -> int:
    """The length of the timeline."""
    return sum(piece.samples if isinstance(piece, Hole) else len(piece.payload) for piece, _ in popped)


def tone(frequency_hz: float, seconds: float = 1.0, rate_hz: int = 8000, level: float = 8000.0) -> bytes:
    """A sine as little-endian s16 PCM."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * frequency_hz * time)).astype("<i2").tobytes()
