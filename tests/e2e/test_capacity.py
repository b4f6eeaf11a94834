"""`sipagent capacity`: what it finds is kept for the doctor."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sipagent import capacity
from sipagent.config import load
from tests.e2e.support.server import SIPAGENT
from tests.e2e.support.setup import Setup, write_setup

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(180)]

CALLS = 2


async def sipagent(*arguments: object, **environment: str) -> tuple[int, str]:
    """Exit status and output."""
    process = await asyncio.create_subprocess_exec(
        *(SIPAGENT, *map(str, arguments)),
        env=os.environ | {"COLUMNS": "300"} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


@pytest.fixture
def prepared(tmp_path: Path) -> Setup:
    return write_setup(tmp_path / "measured", None, limits={"max_calls": 5}, media={"workers": 1})


async def test_what_was_held_is_kept_and_compared_with_the_limits(prepared: Setup) -> None:
    status, output = await sipagent(
        "capacity", "-c", prepared.config, "--first", CALLS, "--most", CALLS, "--hold", 1
    )
    settings = load(prepared.config)
    kept = capacity.read(settings.storage.capacity)
    assert kept is not None, output
    assert kept.machine == capacity.this_machine()
    assert kept.settings == capacity.fingerprint(settings)
    assert (status, kept.calls) in (
        (0, CALLS),
        (1, 0),
    )  # a machine that is busy with other tests holds nothing
    assert f"{kept.calls} calls held: the peak is {kept.peak}" in output
    _, told = await sipagent("doctor", "-c", prepared.config)
    (line,) = [line for line in told.splitlines() if line.startswith("capacity")]
    assert "warn" in line
    assert f"{kept.calls} calls held" in line
    assert "limits.max_calls is 5" in line


async def test_without_sipp_it_says_what_is_missing(prepared: Setup, tmp_path: Path) -> None:
    status, output = await sipagent("capacity", "-c", prepared.config, PATH=str(tmp_path))
    assert status == 2
    assert "apt-get install sip-tester" in output
    assert "Traceback" not in output
