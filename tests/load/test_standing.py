"""Parties go ahead where the system allows it; where it does not, all stays as it was and nothing raises."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.load.standing import ahead
from sipagent.worker.priority import NICENESS

READS = (sys.executable, "-c", "import sys; sys.stdin.read()")
TRIES = (sys.executable, "-c", f"import os; os.setpriority(os.PRIO_PROCESS, 0, {NICENESS})")


@pytest.fixture
def party() -> Iterator[int]:
    with subprocess.Popen(READS, stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def is_allowed() -> bool:
    tried = subprocess.run(TRIES, stderr=subprocess.DEVNULL, check=False, timeout=30)
    return tried.returncode == 0


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def test_parties_go_ahead_for_a_while(party: int, is_allowed: bool) -> None:
    before = niceness(party)
    with ahead(party):
        assert niceness(party) == (NICENESS if is_allowed else before)
    assert niceness(party) == before


def test_a_party_that_is_gone_is_no_matter(party: int) -> None:
    with ahead(party):
        os.kill(party, 9)
        os.waitpid(party, 0)
