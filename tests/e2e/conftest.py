"""What every end-to-end test may ask for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import sipp as sipp_runner
from tests.e2e.support.namespaces import Internet
from tests.e2e.support.setup import Setup, write_setup

SetupFactory = Callable[..., Setup]
Sipp = Callable[..., Coroutine[Any, Any, None]]


@pytest.fixture
def setup(tmp_path: Path) -> SetupFactory:
    """Write a configuration for this test: see `write_setup`."""
    return partial(write_setup, tmp_path / "server")


@pytest.fixture
def sipp(tmp_path: Path) -> Sipp:
    """Play a SIPp scenario against a server: `await sipp("uac-...", setup)`. See `sipp.play`."""

    async def run(scenario: str, setup: Setup, *arguments: str, **options: Any) -> None:
        await sipp_runner.play(scenario, tmp_path, (setup.host, setup.sip_port), *arguments, **options)

    return run


@pytest.fixture
def net() -> Iterator[Internet]:
    with Internet() as made:
        yield made
