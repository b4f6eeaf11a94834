"""A configuration on disk."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.config.files import AGENT, SERVER, TRUNK, Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration; files not given are minimal and valid. Returns the path of its server file."""

    def write(server: str = SERVER, **files: str) -> Path:
        contents = {"trunks/pbx.yaml": TRUNK, "agents/echo.yaml": AGENT}
        contents |= {f"{name.replace('__', '/')}.yaml": text for name, text in files.items()}
        for name, text in {"sipagent.yaml": server, **contents}.items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(dedent(text))
        return tmp_path / "sipagent.yaml"

    return write
