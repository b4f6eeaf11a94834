"""Which program a measurement was made of."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]


def version() -> str:
    """The package's, with the commit where it is a checkout."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{metadata.version('sipagent')} {asked.stdout.strip()}".strip()
