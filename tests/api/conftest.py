"""The app over its fake server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.house import TOKENS, Face, secret


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TOKENS:
        monkeypatch.setenv(f"TOKEN_{name}", secret(name))


@pytest.fixture
async def face(tmp_path: Path, tokens: None) -> AsyncIterator[Face]:
    face = Face(tmp_path)
    yield face
    await face.close()
