from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.load.standing import NICENESS, ahead, in_real_time

READS = (sys.executable, "-c", "import sys; sys.stdin.read()")


@pytest.fixture
def party() -> Iterator[int]:
    with subprocess.Popen(READS, stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="others may only let everybody else go first")
def test_parties_go_ahead_for_a_while(party: int) -> None:
    before = niceness(party)
    with ahead(party):
        assert niceness(party) == NICENESS
    assert niceness(party) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="others may only let everybody else go first")
def test_a_party_is_in_real_time_for_a_while(party: int) -> None:
    with in_real_time(party):
        assert os.sched_getscheduler(party) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
    assert os.sched_getscheduler(party) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER


def test_a_party_that_is_gone_is_no_matter(party: int) -> None:
    with in_real_time(party), ahead(party):
        os.kill(party, 9)
        os.waitpid(party, 0)
