"""The units of systemd: their score, and whether the server can live in their sandbox.

systemd itself is not at hand. Its sandbox is made of parts that are: see `support.sandbox`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, sandbox
from tests.e2e.support.phone import call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "sipagent.service"
UNITS = [UNIT, SYSTEMD / "sipagent@.service"]
#: systemd counts in tenths: 2.0.
WORST_SCORE = "20"

TRESPASSES = """
import errno, mmap, os, pathlib, sys
def refused(what, *numbers):
    try:
        what()
    except OSError as error:
        assert error.errno in numbers, error
    else:
        sys.exit(f"not refused: {what}")
refused(lambda: pathlib.Path("/etc/sipagent-was-here").write_text("x"), errno.EROFS)
refused(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC), errno.EACCES)
refused(lambda: os.setuid(1), errno.EPERM)
refused(lambda: os.chroot("/"), errno.EPERM)
"""
LIBRARIES = """
import numpy, os, pylibsrtp, soxr, uvloop
os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
numpy.ones((64, 64)) @ numpy.ones((64, 64))
soxr.resample(numpy.zeros(8000), 8000, 24000)
policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
pylibsrtp.Session(policy=policy).protect(bytes([0x80, 0]) + bytes(30))
"""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_sandbox_scores_well(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={WORST_SCORE}", unit]
    scored = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin"})
    assert scored.returncode == 0, scored.stdout + scored.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line(unit: Path) -> None:
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    complaints = [line for line in verified.stderr.splitlines() if "is not executable" not in line]
    assert not complaints


@pytest.mark.parametrize("program", [TRESPASSES, LIBRARIES], ids=["trespasses", "libraries"])
def test_the_sandbox_refuses_what_it_should_and_lets_us_do_our_work(tmp_path: Path, program: str) -> None:
    command = [*sandbox.wrapper(UNIT, tmp_path / "state"), sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.paced
async def test_a_call_is_served_inside_the_sandbox(setup: SetupFactory) -> None:
    prepared = setup(None)
    said = audio.signal(1, 600, ULAW)
    async with running(prepared, wrapper=sandbox.wrapper(UNIT, prepared.storage)) as server:
        async with call(prepared, speech=said) as caller:
            await caller.hear_speech(600)
            await caller.hang_up()
        record = await server.next_record()
        assert audio.holds(audio.recorded(record["recording"])[0], audio.samples(said, "PCMU"))
        for number in (1, 2):
            scheduled = await server.wait_log("worker_scheduled", count=number)
            assert scheduled["standing"] == "real_time"
