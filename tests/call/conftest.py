"""What a call takes from its server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rtp.ports import PortPool
from tests.call.fake_workers import FakeWorkers
from tests.rtp.test_ports import pool_of


@pytest.fixture
def ports() -> Iterator[PortPool]:
    pool = pool_of(1)
    yield pool
    pool.close()


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers()
