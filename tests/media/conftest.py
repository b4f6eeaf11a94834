"""What a recording is made with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sipagent.media.recorder import RecordingWriter


@pytest.fixture
def writer() -> Iterator[RecordingWriter]:
    writer = RecordingWriter()
    yield writer
    writer.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "2026-01-01" / "c-1.wav"
