"""A call that is to be placed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtp.ports import PortPool
from tests.call.exchange import Exchange
from tests.call.fake_workers import FakeWorkers
from tests.call.outbound.callee import Attempt, FakeCallee


@pytest.fixture
def callee() -> FakeCallee:
    return FakeCallee()


@pytest.fixture
def exchange(tmp_path: Path, ports: PortPool, workers: FakeWorkers, callee: FakeCallee) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, ports, workers, callee.place, max_calls=2)
    yield exchange
    exchange.log.close()


@pytest.fixture
async def attempt(exchange: Exchange, workers: FakeWorkers, callee: FakeCallee) -> Attempt:
    return Attempt(exchange, workers, callee)
