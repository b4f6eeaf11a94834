"""How long the process of a test stood still, as on a machine whose processors others share.

A test of real audio is also its telephone: who sends later than a jitter buffer waits is not heard in full.
So a test that is marked `paced` and fails is had again if its process could not run for so long. Others, and
those that fail each time, fail.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

import pytest
from _pytest.runner import runtestprotocol

STEP_S = 0.005
#: rtp.jitter_min_ms
LONGEST_S = 0.06
TRIES = 3
HAD_AGAIN = "had again"


class Pauses:
    """A thread that only sleeps and looks at the clock: `longest_s` is what it overslept at most."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Pauses:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(STEP_S):
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - before - STEP_S)
            before = now


def run(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Run a test, and again if it failed while it stood still; what its module shares goes on."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for _ in range(TRIES):
        with Pauses() as pauses:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if pauses.longest_s < LONGEST_S or not any(report.failed for report in reports):
            break
        item.user_properties.append(
            (HAD_AGAIN, f"its process stood still for {1000 * pauses.longest_s:.0f} ms")
        )
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def summary(reporter: pytest.TerminalReporter) -> None:
    """Tell which tests were had again."""
    told = [
        f"{report.nodeid}: {why}"
        for reports in reporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, why in report.user_properties
        if name == HAD_AGAIN
    ]
    if told:
        reporter.section("had again")
        for line in told:
            reporter.line(line)
