"""The metrics that a test fills and reads."""

from __future__ import annotations

import pytest

from tests.metrics.house import House


@pytest.fixture
def house() -> House:
    return House()
