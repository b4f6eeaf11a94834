"""How every test is run."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from importlib import import_module

import pytest
import structlog
from hypothesis import HealthCheck, settings

from sipagent import compiled
from tests import pauses

# Before anything imports the sources of what is compiled: `test_compiled.py` has its tests had again so.
if os.environ.get("COMPILED") and not compiled.use():
    raise pytest.UsageError("nothing is compiled of these sources: make compiled")

# OpenBLAS asks once, when it is loaded. Its threads wait by spinning, on CPU that other tests need. Processes
# that tests start have what they have elsewhere.
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("OPENBLAS_NUM_THREADS", "1")
    import_module("numpy")

#: A machine that is busy with other tests makes no example wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Tracebacks in a log as Python writes them: with frames, colours and locals each takes half a second.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: the garbage collector need not look through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test whose telephones must keep time needs a machine that runs."""
    if item.get_closest_marker("paced") is None:
        return None
    pauses.run(item, nextitem)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    pauses.summary(terminalreporter)
