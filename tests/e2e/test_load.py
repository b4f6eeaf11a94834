"""The load harness itself: it holds calls, and tells apart what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.load.level import Level
from benchmarks.load.measures import Counts, Sample
from benchmarks.load.plan import Plan
from benchmarks.load.run import run
from tests.e2e.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(180)]

CALLS = 5
PLAN = Plan(CALLS, 5, 3, has_sides=False)
#: A busy machine says nothing of the server: here only the harness is tried.
LENIENT = Level(setup_p95_ms=5000, late_p99_ms=1000)
STRICT_ON_MEDIA = Level(setup_p95_ms=5000, late_p99_ms=100)


def unwatched(sample: Sample, counts: Mapping[str, Counts]) -> None:
    """Nobody looks."""


async def test_calls_with_speech_both_ways_are_held_and_leave_nothing(tmp_path: Path) -> None:
    outcome = await run(PLAN, tmp_path, unwatched, LENIENT)
    found = outcome.figures
    assert outcome.verdict.breaches == []
    assert (found.succeeded, found.failed, found.calls_held) == (CALLS, 0, CALLS)
    assert found.end_reasons == {"caller_hung_up": CALLS + 1}
    assert found.packets_to_callers > CALLS * 100
    assert found.packets_from_callers > CALLS * 100
    assert found.sounding_share > 0.2
    assert found.reference is not None
    assert found.reference.is_intact
    assert len(outcome.samples) >= 3


async def test_a_call_that_fails_is_told_with_its_cause(tmp_path: Path) -> None:
    outcome = await run(PLAN, tmp_path, unwatched, LENIENT, {"faults": {"refuse_status": 503}})
    assert outcome.figures.failed == CALLS
    assert outcome.verdict.breaches[0].startswith(f"{CALLS} calls failed (calls: UnexpectedMessage {CALLS})")
    assert "503" in outcome.sipp_errors["calls"]


async def test_peers_that_are_late_are_told_from_the_server(tmp_path: Path) -> None:
    """The model speaks slower than its words are heard, and the callers' media are stopped for a second."""
    media: list[int] = []

    def stop_and_go_on(sample: Sample, counts: Mapping[str, Counts]) -> None:
        if media:
            os.kill(media[0], signal.SIGCONT)
        else:
            media.append(pid_of("rtp_peers", tmp_path))
            os.kill(media[0], signal.SIGSTOP)

    outcome = await run(PLAN, tmp_path, stop_and_go_on, STRICT_ON_MEDIA, {"speed": 0.5})
    assert outcome.verdict.bottleneck.startswith("not the server")
    told = " ".join(outcome.verdict.doubts)
    assert "the callers' media woke" in told
    assert "the simulated model was late" in told


def pid_of(program: str, directory: Path) -> int:
    """The process of `program` that was given a file in `directory`."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_text()
            if program in command.partition("\0")[0] and str(directory) in command:
                return int(path.parent.name)
    raise AssertionError(f"no {program} runs")


async def test_a_run_that_is_ended_leaves_no_process(tmp_path: Path) -> None:
    harness = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load", "--calls", "2", "--hold", "100", "--out", tmp_path),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert harness.stdout is not None
    assert b"calls" in await harness.stdout.readline()  # server, model and SIPp are there
    harness.terminate()
    await harness.communicate()
    await eventually(lambda: not session_members(harness.pid), "all have ended")


def session_members(leader: int) -> list[int]:
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _session(int(pid)) == leader]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
