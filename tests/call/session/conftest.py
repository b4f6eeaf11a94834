"""A call that comes in."""

from __future__ import annotations

import pytest

from tests.call.exchange import Exchange, Talk
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers


@pytest.fixture
async def talk(exchange: Exchange, workers: FakeWorkers) -> Talk:
    """A call that is coming in."""
    return Talk(exchange, workers, FakeSip(invite()))
