"""A call that is to be placed."""

from __future__ import annotations

import pytest

from tests.call.exchange import Exchange
from tests.call.fake_workers import FakeWorkers
from tests.call.outbound.callee import Attempt, FakeCallee


@pytest.fixture
async def attempt(exchange: Exchange, workers: FakeWorkers, callee: FakeCallee) -> Attempt:
    return Attempt(exchange, workers, callee)
