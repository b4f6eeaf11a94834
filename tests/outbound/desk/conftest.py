"""A desk, for tests that need no second one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.outbound.desk.rig import switchboard
from tests.outbound.switchboard import Switchboard


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with switchboard(tmp_path) as made:
        yield made
