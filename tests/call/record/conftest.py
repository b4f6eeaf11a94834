"""A server's disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sipagent.call.record import spool
from tests.call.record.disk import Disk


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setattr(spool, "RETRY_S", 0.01)
    disk = Disk(tmp_path)
    yield disk
    disk.close()
