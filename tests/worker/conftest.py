"""A leg on the bench, and what a test may say about it beforehand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sipagent.formats import ULAW, AudioFormat
from tests.worker.rig import Bench


@pytest.fixture
def audio() -> AudioFormat:
    """What the backend speaks and hears."""
    return ULAW


@pytest.fixture
def recording() -> Path | None:
    return None


@pytest.fixture
def order() -> dict[str, Any]:
    """What the leg's order says beyond the defaults."""
    return {}


@pytest.fixture
async def bench(
    monkeypatch: pytest.MonkeyPatch, audio: AudioFormat, recording: Path | None, order: dict[str, Any]
) -> AsyncIterator[Bench]:
    bench = Bench(monkeypatch, audio, recording, **order)
    yield bench
    if not bench.running.done():
        bench.leg.close("caller_hung_up")
        await bench.running
    bench.recordings.close()
    assert all(sock.is_closed for sock in bench.sockets)
    assert bench.backend.is_closed
    assert bench.ticking == {}
