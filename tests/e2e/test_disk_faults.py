"""Disks that fail under a recording: the call doesn't notice, and everybody else is told."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.disks import faulty_disk, small_disk
from tests.e2e.support.lengths import flowed_s
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import Server, running

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

TRUNCATED = "sipagent_recordings_truncated_total"
SIGNAL, SIGNAL_MS = 4, 1000


async def is_heard(caller: Phone) -> None:
    """What the caller says comes back, at the pace at which it should."""
    before = len(caller.heard)
    said = audio.signal(SIGNAL, SIGNAL_MS, ULAW)
    await caller.say(said)
    await caller.hear(lambda: said in caller.speech_heard())
    late_ms = [1000 * (later.at - sooner.at) - 20 for sooner, later in pairwise(caller.heard[before:])]
    assert max(late_ms) <= 40, f"{max(late_ms):.0f} ms late"


async def tells_within_a_second(server: Server, why: str) -> None:
    await server.wait_log("recording_truncated", detail=why, within_s=20)
    began = time.monotonic()
    assert await server.wait_metric(TRUNCATED, within_s=1.0) == 1
    assert time.monotonic() - began < 1.0


async def test_a_disk_that_fills_up(setup: SetupFactory, tmp_path: Path) -> None:
    """Recording and call records share the disk: there is room for the record all the same."""
    with small_disk(tmp_path / "disk", "368k") as disk:
        async with (
            running(setup(None, storage={"directory": str(disk)})) as server,
            call(server.setup) as caller,
        ):
            await tells_within_a_second(server, "No space left on device")
            await is_heard(caller)
            await caller.hang_up()
            record = await server.next_record()
        assert record["recording_truncated"] is True
        assert record["recording_detail"] == "No space left on device"
        left, right = audio.recorded(record["recording"])
        assert len(left) == len(right) > 8000 * 3


async def test_a_disk_that_becomes_read_only(setup: SetupFactory, tmp_path: Path) -> None:
    prepared = setup(None)
    with faulty_disk(prepared.storage / "recordings", tmp_path / "image") as disk:
        async with running(prepared) as server:
            async with call(server.setup) as caller:
                await is_heard(caller)
                disk.break_down()
                await tells_within_a_second(server, "Read-only file system")
                await is_heard(caller)
                await caller.hang_up()
            record = await server.next_record()
            assert (record["recording_truncated"], record["end_reason"]) == (True, "caller_hung_up")
            await server.stop()


@pytest.mark.paced
async def test_a_disk_that_hangs_for_a_while_delays_nothing(setup: SetupFactory, tmp_path: Path) -> None:
    prepared = setup(None)
    with faulty_disk(prepared.storage / "recordings", tmp_path / "image") as disk:
        async with running(prepared) as server:
            async with call(server.setup) as caller:
                await is_heard(caller)
                disk.freeze()
                await is_heard(caller)
                await is_heard(caller)
                disk.thaw()
                hung_up_at = time.monotonic()
                await caller.hang_up()
            record = await server.next_record()
        assert record["recording_truncated"] is False
        left, right = audio.recorded(record["recording"])
        assert len(left) / 8000 == pytest.approx(flowed_s(server, record, hung_up_at), abs=0.04)
        assert audio.holds(left, audio.samples(audio.signal(SIGNAL, SIGNAL_MS, ULAW), "PCMU"))
        assert audio.plays(right, audio.samples(audio.signal(SIGNAL, SIGNAL_MS, ULAW), "PCMU"))
