"""Pacing on the wire, beside two processes that take all the CPU they can get."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from sipagent.config import Config
from sipagent.doctor.host import check_scheduling
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support.namespaces import IS_ROOT
from tests.e2e.support.phone import FRAME_MS, call
from tests.e2e.support.server import Server, running
from tests.e2e.support.wire import Sent, Wire

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.alone,
    pytest.mark.skipif(not IS_ROOT, reason="needs root to see the wire"),
]

HOGS = 2
HOG_S = 120
HOG = f"import time\nuntil = time.monotonic() + {HOG_S}\nwhile time.monotonic() < until: pass"
SPEECH_MS = 10_000
SAMPLES_PER_MS = 8
TALKS_ALONE = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}
LATE_P99_MS, LATE_MAX_MS = 5, 20
MAX_BURST = 3
CALLS = 4


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
    """Of each packet against its timestamp, by a clock that begins with the most punctual.

    The speech's first packet comes up to a frame early, and tells nothing of the clock.
    """
    first = sent[0].packet.timestamp
    stamps = [((each.packet.timestamp - first) & 0xFFFFFFFF) / SAMPLES_PER_MS for each in sent]
    behind = np.array([1000 * (each.at - sent[0].at) for each in sent]) - np.array(stamps)
    return np.maximum(behind - np.percentile(behind, 1), 0)


def longest_burst(sent: Sequence[Sent]) -> int:
    """How many packets there were within half a frame's time, where there were most."""
    at = np.array([1000 * (each.at - sent[0].at) for each in sent])
    return int(max(np.count_nonzero((at >= start) & (at < start + FRAME_MS / 2)) for start in at))


async def test_speech_is_on_time_beside_two_hogs(setup: SetupFactory) -> None:
    """Every call is on time throughout; of workers that may not run in real time, one call at least."""
    script = (Turn(reply=[Pattern(pattern_ms=SPEECH_MS, number=7)]),)
    async with (
        RealtimeServer(RealtimeOptions(script=script, obedient=False)) as model,
        running(setup(model.url, agent=TALKS_ALONE)) as server,
    ):
        with contextlib.closing(Wire()) as wire, hogs():
            seen = await asyncio.gather(*(pacing_of_a_call(server, wire) for _ in range(CALLS)))
            in_real_time = all(map(is_real_time, server.workers))
        records = await server.next_records(CALLS)

    assert in_real_time == (await check_scheduling(Config()))[0].detail.endswith("in real time")
    assert (all if in_real_time else any)(on_time(*each) for each in seen), seen
    if in_real_time:
        assert [record["turns"][0]["starvations"] for record in records] == [{}] * CALLS


async def pacing_of_a_call(server: Server, wire: Wire) -> tuple[float, float, int]:
    async with call(server.setup) as caller:
        await caller.hear_speech(SPEECH_MS, within_s=2 * SPEECH_MS / 1000)
        await caller.hang_up()
    sent = wire.rtp_from(caller.rtp_target[1])
    late = lateness_ms(sent)
    return float(np.percentile(late, 99)), float(late.max()), longest_burst(sent)


def is_real_time(pid: int) -> bool:
    return os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR


def on_time(late_p99_ms: float, late_max_ms: float, burst: int) -> bool:
    return late_p99_ms <= LATE_P99_MS and late_max_ms <= LATE_MAX_MS and burst <= MAX_BURST
