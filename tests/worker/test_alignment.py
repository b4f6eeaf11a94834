"""A recording under stress: as long as the call, and both sides in their places, whatever the network does.

Every frame of either side is unlike all others, so each that was heard can be looked up in the recording.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from rtp import g711
from sipagent.backends.base import AudioFinished
from tests.media.test_recorder import sides
from tests.worker.fake_udp import PHONE
from tests.worker.rig import FRAME, Bench
from tests.worker.scripted_backend import caller_speaks

pytestmark = pytest.mark.slow

SECONDS = 20
TOLERANCE_MS = 40
#: None if the packet is lost, else how late it is, in seconds, by its number.
Network = Callable[[int], float | None]


def frame(side: str, index: int) -> bytes:
    return np.random.default_rng([ord(side[0]), index]).integers(0, 128, FRAME, np.uint8).tobytes()


class Talk:
    """Both sides talk all the time, the caller over `network`."""

    def __init__(self, bench: Bench, network: Network) -> None:
        self.bench = bench
        self.began = bench.now
        self.said_at: list[float] = []
        self.sent_at: dict[bytes, float] = {}
        self._network = network
        self._under_way: list[tuple[float, int, bytes]] = []
        self._spoken = 0

    def go_on(self, seconds: float, *, talks: bool = True) -> None:
        for _ in range(round(seconds * 50)):
            self._say(talks)
            self._speak()
            self._beat()

    def _say(self, talks: bool) -> None:
        bench = self.bench
        payload = frame("caller", len(self.said_at))
        self.said_at.append(bench.now)
        if not talks:
            return
        bench.phone.send_frame(payload, bench.now)
        bench.phone.handle_timer(bench.now)
        for data, _ in bench.phone.datagrams_to_send():
            delay_s = self._network(len(self.said_at))
            if delay_s is not None:
                heapq.heappush(self._under_way, (bench.now + 0.02 + delay_s, len(self.said_at), data))

    def _speak(self) -> None:
        self.bench.backend.speak(frame("agent", self._spoken), item_id=f"i{self._spoken // 100}")
        self._spoken += 1

    def _beat(self) -> None:
        bench = self.bench
        assert bench.udp is not None
        while self._under_way and self._under_way[0][0] <= bench.now + 0.02:
            at, _, data = heapq.heappop(self._under_way)
            bench.udp.on_rtp(data, PHONE, at)
        sent = bench.beat()
        self.sent_at[sent] = bench.now

    def assert_aligned(self, recording: Path, *, found: tuple[float, float]) -> None:
        """Everything that is found stands where it belongs, and the shares `found` of both sides are."""
        left, right = sides(recording)
        length_ms = len(left) / 16
        assert length_ms == pytest.approx((self.bench.now - self.began) * 1000, abs=TOLERANCE_MS)
        caller = {g711.ulaw_to_pcm(frame("caller", n)): at + 0.02 for n, at in enumerate(self.said_at)}
        agent = {g711.ulaw_to_pcm(sent): at for sent, at in self.sent_at.items() if sent.strip(b"\xff")}
        for name, side, ends, share in (
            ("caller", left, caller, found[0]),
            ("agent", right, agent, found[1]),
        ):
            off_ms = [self._off_ms(side, place, ends[pcm]) for pcm in ends if (place := side.find(pcm)) >= 0]
            assert len(off_ms) >= share * len(ends), f"{name}: {len(off_ms)} of {len(ends)} found"
            worst = max(off_ms, key=abs)
            assert abs(worst) <= TOLERANCE_MS, f"{name}: {worst:.0f} ms off"

    def _off_ms(self, side: bytes, place: int, ended_at: float) -> float:
        return (place // 2 + FRAME) / 8 - (ended_at - self.began) * 1000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "c-1.wav"


def at_once(index: int) -> float | None:
    return 0.0


def lossy(index: int) -> float | None:
    return None if Random(index).random() < 0.1 else 0.0


def bursts(index: int) -> float | None:
    return None if index % 100 in range(40, 48) else 0.0


def jittery(index: int) -> float | None:
    return abs(Random(index).gauss(0.0, 0.015))


def reordering(index: int) -> float | None:
    return 0.03 if index % 10 == 3 else 0.0


@pytest.mark.parametrize(
    ("network", "found"),
    [(at_once, 0.99), (lossy, 0.85), (bursts, 0.9), (jittery, 0.9), (reordering, 0.85)],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_over_a_bad_network(bench: Bench, recording: Path, network: Network, found: float) -> None:
    await bench.talk()
    talk = Talk(bench, network)
    talk.go_on(SECONDS)
    await bench.end()
    talk.assert_aligned(recording, found=(found, 0.99))


async def test_through_an_outage_and_pauses_of_the_sender(bench: Bench, recording: Path) -> None:
    await bench.talk()
    talk = Talk(bench, lambda index: None if index in range(200, 350) else 0.0)
    talk.go_on(10)
    for _ in range(5):
        talk.go_on(0.6, talks=False)
        talk.go_on(1.4)
    await bench.end()
    talk.assert_aligned(recording, found=(0.6, 0.99))


async def test_through_holds_codecs_and_interruptions(bench: Bench, recording: Path) -> None:
    await bench.talk()
    talk = Talk(bench, at_once)
    talk.go_on(3)
    bench.start(direction="recvonly")
    talk.go_on(2)
    bench.start()
    talk.go_on(3)
    bench.start(direction="inactive")
    talk.go_on(2)
    bench.start()
    talk.go_on(3)
    bench.backend.say(caller_speaks())
    talk.go_on(2)
    bench.start("PCMA")
    talk.go_on(2)
    bench.start()
    talk.go_on(3)
    await bench.end()
    talk.assert_aligned(recording, found=(0.65, 0.5))


async def test_through_digits_of_both_sides(bench: Bench, recording: Path) -> None:
    await bench.talk()
    talk = Talk(bench, at_once)
    talk.go_on(3)
    bench.leg.send_digits("12345", inband=False)
    talk.go_on(3)
    bench.phone.send_digit("7", 400, bench.now)
    talk.go_on(3)
    bench.leg.send_digits("12345", inband=True)
    talk.go_on(3)
    bench.backend.say(AudioFinished(item_id="i5", content_index=0))
    await bench.end()
    talk.assert_aligned(recording, found=(0.8, 0.9))


async def test_through_stalls_of_the_clock(bench: Bench, recording: Path) -> None:
    """Ticks that never came: neither side may end up early for good."""
    await bench.talk()
    talk = Talk(bench, at_once)
    for _ in range(4):
        talk.go_on(2)
        bench.now += 0.3
    talk.go_on(2)
    await bench.end()
    left, right = sides(recording)
    assert len(left) / 16 == pytest.approx((bench.now - talk.began) * 1000, abs=TOLERANCE_MS)
    assert len(left) == len(right)
