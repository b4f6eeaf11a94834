"""What a call takes from its server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtp.ports import PortPool
from tests.call.exchange import Exchange
from tests.call.fake_workers import FakeWorkers
from tests.call.outbound.callee import FakeCallee
from tests.rtp.test_ports import pool_of


@pytest.fixture
def ports() -> Iterator[PortPool]:
    pool = pool_of(1)
    yield pool
    pool.close()


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers()


@pytest.fixture
def callee() -> FakeCallee:
    return FakeCallee()


@pytest.fixture
def exchange(tmp_path: Path, ports: PortPool, workers: FakeWorkers, callee: FakeCallee) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, ports, workers, callee.place, max_calls=2)
    yield exchange
    exchange.log.close()
