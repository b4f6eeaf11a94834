"""A call that comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtp.ports import PortPool
from tests.call.exchange import Exchange, Talk
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers


@pytest.fixture
def exchange(tmp_path: Path, ports: PortPool, workers: FakeWorkers) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, ports, workers, max_calls=2)
    yield exchange
    exchange.log.close()


@pytest.fixture
async def talk(exchange: Exchange, workers: FakeWorkers) -> Talk:
    """A call that is coming in."""
    return Talk(exchange, workers, FakeSip(invite()))
