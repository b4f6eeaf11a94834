"""Who may run in real time, and for how long. Each test has a process of its own to be scheduled."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = [pytest.mark.alone, pytest.mark.slow]

BEGIN = """
import os, threading, time, uvloop
from sipagent.worker.priority import *
def policy():
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
"""


def run(script: str) -> None:
    """Lines of Python after BEGIN, which must come to their end."""
    subprocess.run([sys.executable, "-c", BEGIN + textwrap.dedent(script)], check=True, timeout=30)


@pytest.fixture(scope="module")
def real_time() -> None:
    script = BEGIN + "raise SystemExit(claim() is not Standing.REAL_TIME)"
    if subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode != 0:
        pytest.skip("needs the right to run in real time")


real_time_only = pytest.mark.usefixtures("real_time")


@real_time_only
def test_the_thread_that_asks_runs_in_real_time_and_no_other() -> None:
    run("""
        priority = Priority()
        assert priority.standing is Standing.REAL_TIME and policy() == os.SCHED_RR
        seen = []
        thread = threading.Thread(target=lambda: seen.append((policy(), os.getpriority(os.PRIO_PROCESS, 0))))
        thread.start(), thread.join()
        assert seen == [(os.SCHED_OTHER, 0)], seen
        """)


@real_time_only
def test_a_thread_that_never_pauses_becomes_ordinary_and_comes_back_when_it_is_calm() -> None:
    run("""
        priority = Priority(max_spin_s=0.05)
        async def spin():
            until = time.monotonic() + 20
            while policy() == os.SCHED_RR and time.monotonic() < until:
                pass
        uvloop.run(spin())
        assert policy() == os.SCHED_OTHER and priority.standing is Standing.NICE
        priority.look(0.9)
        assert policy() == os.SCHED_OTHER
        priority.look(0.1)
        assert policy() == os.SCHED_RR and priority.standing is Standing.REAL_TIME
        """)


@real_time_only
def test_a_thread_that_takes_most_of_its_core_becomes_ordinary() -> None:
    run("""
        priority = Priority()
        priority.look(0.7)
        assert policy() == os.SCHED_RR
        priority.look(0.9)
        assert policy() == os.SCHED_OTHER
        """)


def test_another_process_is_given_what_we_would_be_given() -> None:
    run("""
        import subprocess
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
            given = claim(other.pid)
            assert policy() == os.SCHED_OTHER
            theirs = os.sched_getscheduler(other.pid) & ~os.SCHED_RESET_ON_FORK
            assert given is claim() and theirs == policy()
            assert os.getpriority(os.PRIO_PROCESS, other.pid) == os.getpriority(os.PRIO_PROCESS, 0)
        """)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give rights up")
def test_without_the_right_nothing_changes() -> None:
    run("""
        import resource
        before = os.getpriority(os.PRIO_PROCESS, 0)
        resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
        resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
        os.setresuid(65534, 65534, 65534)
        priority = Priority()
        assert priority.standing is Standing.ORDINARY and policy() == os.SCHED_OTHER
        priority.look(0.9), priority.look(0.1)
        assert os.getpriority(os.PRIO_PROCESS, 0) == before
        """)
