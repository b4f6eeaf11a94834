"""Files of a configuration that is minimal and valid, and what reading them complains about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sipagent.config import Config, load
from sipagent.errors import ConfigError

SERVER = "limits: {max_calls: 20}\n"
TRUNK = "allowed_addresses: [192.0.2.1]\nnumbers: {'*': echo}\n"
AGENT = "backend: {kind: echo}\n"

Write = Callable[..., Path]


def problems(path: Path, read: Callable[[Path], Config] = load) -> list[str]:
    """What reading complains about, with paths as seen from the configuration's directory."""
    with pytest.raises(ConfigError) as raised:
        read(path)
    return [problem.replace(f"{path.parent}/", "") for problem in raised.value.problems]
