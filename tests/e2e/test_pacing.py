"""Pacing on the wire, beside two processes that take all the CPU they can get."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support.namespaces import IS_ROOT
from tests.e2e.support.phone import FRAME_MS, call
from tests.e2e.support.server import running
from tests.e2e.support.wire import Sent, Wire

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not IS_ROOT, reason="needs root to see the wire")]

HOGS = 2
HOG_S = 120
HOG = f"import time\nuntil = time.monotonic() + {HOG_S}\nwhile time.monotonic() < until: pass"
SPEECH_MS = 10_000
SAMPLES_PER_MS = 8
TALKS_ALONE = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}
LATE_P99_MS, LATE_MAX_MS = 5, 20
MAX_BURST = 3
TRIES = 5


@contextlib.contextmanager
def hogs() -> Iterator[None]:
    """They end by themselves if nobody ends them."""
    started = [subprocess.Popen((sys.executable, "-c", HOG)) for _ in range(HOGS)]
    try:
        yield
    finally:
        for hog in started:
            hog.kill()
            hog.wait()


def lateness_ms(sent: Sequence[Sent]) -> npt.NDArray[np.float64]:
    """Of each packet against its timestamp, by a clock that begins with the most punctual."""
    first = sent[0].packet.timestamp
    stamps = [((each.packet.timestamp - first) & 0xFFFFFFFF) / SAMPLES_PER_MS for each in sent]
    behind = np.array([1000 * (each.at - sent[0].at) for each in sent]) - np.array(stamps)
    return behind - behind.min()


def longest_burst(sent: Sequence[Sent]) -> int:
    """How many packets there were within half a frame's time, where there were most."""
    at = np.array([1000 * (each.at - sent[0].at) for each in sent])
    return int(max(np.count_nonzero((at >= start) & (at < start + FRAME_MS / 2)) for start in at))


@pytest.mark.timeout(180)
async def test_speech_is_on_time_beside_two_hogs(setup: SetupFactory) -> None:
    """One call of some must be on time throughout: more than the hogs may want the machine, now and then."""
    script = (Turn(reply=[Pattern(pattern_ms=SPEECH_MS, number=7)]),)
    seen: list[tuple[float, float, int]] = []
    async with (
        RealtimeServer(RealtimeOptions(script=script, obedient=False)) as model,
        running(setup(model.url, agent=TALKS_ALONE)) as server,
    ):
        with contextlib.closing(Wire()) as wire, hogs():
            while len(seen) < TRIES and not (seen and on_time(*seen[-1])):
                async with call(server.setup) as caller:
                    await caller.hear_speech(SPEECH_MS, within_s=2 * SPEECH_MS / 1000)
                    sent = wire.rtp_from(caller.rtp_target[1])
                    await caller.hang_up()
                late = lateness_ms(sent)
                seen.append((float(np.percentile(late, 99)), float(late.max()), longest_burst(sent)))
                record = await server.next_record()

    assert on_time(*seen[-1]), seen
    assert record["turns"][0]["starvations"] == {}


def on_time(late_p99_ms: float, late_max_ms: float, burst: int) -> bool:
    return late_p99_ms <= LATE_P99_MS and late_max_ms <= LATE_MAX_MS and burst <= MAX_BURST
